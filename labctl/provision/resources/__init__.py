"""What a playbook can yield; `labctl.playbook` re-exports it for authors."""
