//! What is refused before anything is changed, and the commands for people.

use serde_json::json;

use crate::fake::{Fake, Instead, qmp};

#[test]
fn a_size_that_would_end_the_machine_is_refused_first() {
    let fake = Fake::honest();
    let ran = qmp("attach", &fake.socket(), &["--name", &fake.region, "--size", "6M"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.stderr.contains("take 4M or 8M"), "{ran:?}");
    assert!(fake.machine.lock().unwrap().asked.is_empty());
}

#[test]
fn a_machine_without_the_device_or_without_a_place_is_refused() {
    let empty = Fake::with(|asked, _| (asked == "qom-list-types").then(|| Instead::Return(json!([]))));
    let fixed = Fake::with(|asked, arguments| {
        let handler = asked == "qom-get" && arguments["property"] == "hotplug-handler";
        handler.then(|| Instead::Return(json!("")))
    });
    for (fake, says) in [(empty, "has no ivshmem-plain"), (fixed, "pci.0 is fixed while the machine runs")] {
        let ran = fake.run("attach", &[]);
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.stderr.contains(says), "{ran:?}");
        assert!(fake.changes().is_empty());
    }
}

#[test]
fn the_commands_for_people_are_the_same() {
    let fake = Fake::honest();
    let ran = qmp("commands", &fake.socket(), &[]);
    assert_eq!(
        ran.stdout,
        "object_add memory-backend-file,id=shmem-fg_i3,mem-path=/dev/shm/fg_i3,size=8M,share=on\n\
         device_add ivshmem-plain,id=ivring-fg_i3,memdev=shmem-fg_i3,bus=pci.0,addr=0x1e\n"
    );
    assert!(fake.changes().is_empty());
    let run = |arguments: &[&str]| {
        let program = env!("CARGO_BIN_EXE_ivring-vm-config");
        let output =
            std::process::Command::new(program).args(["qmp", "commands"]).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run(&[]).ends_with("bus=pci.0,addr=0x1f\n"));
    assert!(run(&["--bus", "rp1"]).ends_with("bus=rp1,addr=0x0\n"));
    assert_eq!(run(&["--detach"]), "device_del ivring-fg_i3\nobject_del shmem-fg_i3\n");
}
