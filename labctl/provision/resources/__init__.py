"""The things that a playbook can ask for; `labctl.playbook` re-exports them for its authors."""
