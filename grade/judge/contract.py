"""The names that a submission has to give, and where."""

CONTRACT = {
    "gdt_init": "kernel/gdt.c",
    "init_syscall": "kernel/msr.c",
    "syscall_entry": "kernel/syscall_entry.c",
    "syscall_exit": "kernel/syscall_entry.c",
    "get_syscall_frame": "kernel/frame.c",
    "get_saved_user_rsp": "kernel/frame.c",
    "fork": "kernel/fork.c",
}
