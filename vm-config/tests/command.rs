//! The command as a user meets it: its output, its messages and its exit codes.

use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ivring-vm-config")).args(args).output().expect("the command starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("output is text")
}

#[test]
fn the_defaults_are_the_region_of_the_project() {
    let output = run(&["qemu-args"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        text(&output.stdout),
        "-object memory-backend-file,id=shmem-fg_i3,mem-path=/dev/shm/fg_i3,size=8M,share=on \
         -device ivshmem-plain,memdev=shmem-fg_i3,bus=pci.0,addr=0x1f\n"
    );
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn the_slot_can_be_chosen_in_hex_or_decimal() {
    for slot in ["0x10", "16"] {
        assert!(text(&run(&["qemu-args", "--slot", slot]).stdout).ends_with("addr=0x10\n"));
    }
    assert_eq!(run(&["qemu-args", "--slot", "32"]).status.code(), Some(2));
}

#[test]
fn machine_style_and_model_say_how_it_is_written() {
    for (args, expected) in [
        (
            ["qemu-args", "--machine", "q35"],
            "-device ivshmem-plain,memdev=shmem-fg_i3,bus=pcie.0,addr=0x10\n",
        ),
        (["qemu-args", "--model", "legacy"], "-device ivshmem,shm=fg_i3,size=8m,bus=pci.0,addr=0x1f\n"),
        (["qemu-args", "--style", "json"], "\"bus\":\"pci.0\",\"addr\":\"0x1f\"}\n"),
        (["qemu-args", "--role", "master"], "addr=0x1f,master=on\n"),
        (["qemu-args", "--style", "proxmox"], "bus=pci.0,addr=0x1a\n"),
        (["qemu-args", "--style", "vagrant"], "bus=pci.0,addr=0x1f'\n"),
        (["qemu-args", "--style", "libvirt-commandline"], "bus=pci.0,addr=0x1f'/>\n</qemu:commandline>\n"),
    ] {
        let output = run(&args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(text(&output.stdout).ends_with(expected), "{}", text(&output.stdout));
    }
    let taken = run(&["qemu-args", "--machine", "q35", "--slot", "0x1f"]);
    assert_eq!(taken.status.code(), Some(3));
    assert!(text(&taken.stderr).contains("ICH9"), "{}", text(&taken.stderr));
    let taken = run(&["qemu-args", "--style", "proxmox", "--slot", "0x1f"]);
    assert_eq!(taken.status.code(), Some(3));
    assert!(text(&taken.stderr).contains("such as --slot 0x1a"), "{}", text(&taken.stderr));
}

#[test]
fn the_element_has_the_alias_that_a_removal_names() {
    let output = run(&["xml", "--role", "peer"]);
    assert!(text(&output.stdout).starts_with("<shmem name='fg_i3' role='peer'>\n"));
    assert!(text(&output.stdout).ends_with("  <alias name='ua-fg_i3'/>\n</shmem>\n"));
}

#[test]
fn bad_input_is_named_and_prints_nothing() {
    for (args, expected) in [
        (["xml", "--size", "6M"], "take 4M or 8M"),
        (["xml", "--name", "a/b"], "holds '/'"),
        (["qemu-args", "--size", "many"], "\"many\" is no size"),
    ] {
        let output = run(&args);
        assert_eq!(output.status.code(), Some(4), "{args:?}");
        assert_eq!(text(&output.stdout), "");
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
}
