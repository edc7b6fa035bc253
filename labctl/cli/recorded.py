"""The commands whose runs are recorded in the lab's logs."""

RECORDED = (
    *("up", "provision", "verify", "rehearse", "heal", "bake"),
    *("halt", "reload", "suspend", "resume", "sync", "destroy", "move"),
    *("save", "restore", "delete", "export", "import"),
)
