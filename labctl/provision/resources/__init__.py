"""The resources that a playbook can yield; `labctl.playbook` re-exports them for authors."""
