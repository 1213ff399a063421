//! `remove`.

use super::fake::{DEVICE, Done, Fake};

/// The device behind a bridge, with what libvirt had added for it.
fn behind_a_bridge(added: bool) -> String {
    let controller = |index: u8, model: &str, bus: u8, slot: u8| {
        format!(
            "    <controller type='pci' index='{index}' model='{model}'>
      <address type='pci' domain='0x0000' bus='{bus:#04x}' slot='{slot:#04x}' function='0x0'/>
    </controller>
"
        )
    };
    let mut xml = "    <controller type='pci' index='0' model='pcie-root'/>\n".to_owned();
    xml += &controller(1, "pcie-root-port", 0, 2);
    if added {
        xml += &controller(2, "pcie-to-pci-bridge", 1, 0);
        xml += &controller(3, "pcie-root-port", 0, 3);
        xml += &DEVICE.replace("bus='0x00' slot='0x1f'", "bus='0x02' slot='0x01'");
    }
    xml
}

fn q35(number: usize, added: bool) -> String {
    Fake::xml(number, "web1", &behind_a_bridge(added)).replace("machine='pc'", "machine='q35'")
}

/// A `q35` that has got the device and was kept before.
fn with_backup() -> Fake {
    let fake = Fake::new();
    fake.define(1, "web1", "");
    fake.write(1, "config.xml", &q35(1, true));
    let run = fake.path("backups").join("2026-01-01T00:00:00.000Z");
    std::fs::create_dir_all(&run).unwrap();
    std::fs::write(run.join(format!("{}.xml", Fake::uuid(1))), q35(1, false)).unwrap();
    fake
}

#[track_caller]
fn row<'a>(done: &'a Done, state: &str, action: &str) -> &'a str {
    assert_eq!(done.rows()[0][1..3], [state, action], "{done:?}");
    &done.out
}

#[test]
fn the_device_goes_with_the_controllers_that_came_with_it() {
    let fake = with_backup();
    let done = fake.run("remove", &["web1", "--dry-run"]).is(1);
    assert!(row(&done, "present", "remove").contains("the 2 PCI controllers"), "{done:?}");
    let done = fake.run("remove", &["web1"]).is(0);
    assert!(row(&done, "ok", "removed").contains("the 2 PCI controllers"), "{done:?}");
    assert_eq!(fake.config(1), q35(1, false));
    // The highest first: a bridge goes before the port it sits on.
    assert_eq!(fake.changes(), 3);
}

#[test]
fn without_a_backup_the_controllers_stay_and_that_is_told() {
    let fake = with_backup();
    let elsewhere = fake.path("elsewhere").display().to_string();
    let done = fake.run("remove", &["web1", "--backup-dir", &elsewhere]).is(0);
    assert!(row(&done, "ok", "removed").contains("no backup from before it"), "{done:?}");
    assert!(fake.config(1).contains("index='3'") && !fake.config(1).contains("shmem"));
}

#[test]
fn controllers_stay_if_another_changes_the_domain_at_the_same_time() {
    let fake = with_backup();
    // Right after the device has gone.
    fake.hook(
        "--security-info",
        "[ \"$count\" -ne 2 ] || sed -i 's/65536/70000/' \"$folder\"/domains/*/config.xml",
    );
    let done = fake.run("remove", &["web1"]).is(0);
    assert!(row(&done, "ok", "removed").contains("another changed the domain"), "{done:?}");
    let now = fake.config(1);
    assert!(now.contains("index='3'") && now.contains("70000") && !now.contains("shmem"), "{now}");
}

/// Lets libvirt fail from the last controller on.
const FAILS_LATE: &str =
    "if [ \"$count\" -eq 3 ]; then fail 'Failed to detach device' 'out of memory'; exit 1; fi";

#[test]
fn a_later_step_that_fails_leaves_all_as_it_was() {
    let fake = with_backup();
    fake.hook("detach-device", &format!("if [ \"$1\" = detach-device ]; then {FAILS_LATE}; fi"));
    let done = fake.run("remove", &["web1"]).is(5);
    let out = row(&done, "failed", "-");
    assert!(out.contains("out of memory") && !out.contains("before that"), "{done:?}");
    assert_eq!(fake.config(1), q35(1, true));
    assert_eq!(fake.runs().len(), 1, "a backup of what has not changed");
    // So that it can be done again, controllers and all.
    std::fs::remove_file(fake.path("hook")).unwrap();
    row(&fake.run("remove", &["web1"]).is(0), "ok", "removed");
    assert_eq!(fake.config(1), q35(1, false));
}

#[test]
fn what_another_has_changed_is_not_put_back() {
    let fake = with_backup();
    let config = fake.path("domains").join(Fake::uuid(1)).join("config.xml");
    let edit = format!("sed -i 's/65536/70000/' '{}'", config.display());
    fake.hook(
        "detach-device",
        &format!("if [ \"$1\" = detach-device ] && [ \"$count\" -eq 3 ]; then {edit}; {FAILS_LATE}; fi"),
    );
    let done = fake.run("remove", &["web1"]).is(5);
    assert!(row(&done, "failed", "-").contains("before that, the device was taken"), "{done:?}");
    assert!(fake.config(1).contains("70000") && !fake.config(1).contains("shmem"));
}

#[test]
fn a_later_step_that_fails_and_cannot_be_undone_is_told_with_what_is_done() {
    let fake = with_backup();
    fake.hook("detach-device", FAILS_LATE);
    let done = fake.run("remove", &["web1"]).is(5);
    let out = row(&done, "failed", "-");
    for told in
        ["out of memory", "before that, the device was taken from the configuration", "rollback --from"]
    {
        assert!(out.contains(told), "{told}: {done:?}");
    }
    assert!(!fake.config(1).contains("shmem") && fake.config(1).contains("index='2'"));
    std::fs::remove_file(fake.path("hook")).unwrap();
    // The way back that was told.
    let backup = fake.runs().pop().unwrap().join(format!("{}.xml", Fake::uuid(1))).display().to_string();
    assert!(out.contains(&format!("rollback --from {backup:?} --discard-edits")), "{done:?}");
    fake.run("rollback", &["--from", &backup, "--discard-edits"]).is(0);
    assert_eq!(fake.config(1), q35(1, true));
}

#[test]
fn every_device_for_the_region_goes_and_no_other() {
    let other = DEVICE.replace("fg_i3", "looking-glass").replace("0x1f", "0x10");
    let second = DEVICE.replace("0x1f", "0x1e").replace("<alias name='ua-fg_i3'/>", "<alias name='ua-b'/>");
    let second = second.replace("<size unit='M'>8</size>", "<size unit='M'>4</size>");
    let fake = Fake::new();
    fake.define(1, "web1", &format!("{DEVICE}{other}{second}"));
    fake.run("remove", &["web1"]).is(0);
    assert_eq!(fake.config(1), Fake::xml(1, "web1", &other));
    // Nothing is left to do.
    let changes = fake.changes();
    row(&fake.run("remove", &["web1"]).is(0), "ok", "-");
    assert_eq!((fake.changes(), fake.runs().len()), (changes, 1));
}

#[test]
fn what_libvirt_only_says_it_took_out_is_told() {
    let fake = Fake::new();
    fake.define(1, "web1", DEVICE);
    fake.set("ignores");
    let done = fake.run("remove", &["web1"]).is(5);
    assert!(row(&done, "failed", "-").contains("does not show it"), "{done:?}");
}

#[test]
fn case_40_a_running_domain_has_it_until_it_is_shut_down() {
    let fake = Fake::new();
    fake.define(1, "web1", DEVICE);
    fake.write(1, "live.xml", &fake.config(1));
    let done = fake.run("remove", &["web1"]).is(6);
    assert!(row(&done, "pending", "removed").contains("shut it down"), "{done:?}");
    assert!(!fake.config(1).contains("shmem") && fake.read(1, "live.xml").contains("shmem"));
    row(&fake.run("remove", &["web1"]).is(6), "pending", "-");
    row(&fake.run("remove", &["web1", "--live"]).is(0), "ok", "removed");
    assert!(!fake.read(1, "live.xml").contains("shmem"));
}

#[test]
fn case_48_a_guest_that_never_lets_go_is_told_after_a_while() {
    let fake = Fake::new();
    fake.define(1, "web1", DEVICE);
    fake.write(1, "live.xml", &fake.config(1));
    fake.set("holds");
    let done = fake.run("remove", &["web1", "--live", "--timeout", "0"]).is(6);
    assert!(row(&done, "pending", "removed").contains("has not let go of it"), "{done:?}");
    assert!(!fake.config(1).contains("shmem") && fake.read(1, "live.xml").contains("shmem"));
    // QEMU says so when it is asked once more.
    let refused = "case $* in detach*) fail 'Failed to detach device' 'internal error: unable to execute QEMU command \
                   device_del: Device ua-fg_i3 is already in the process of unplug'; exit 1 ;; esac";
    fake.hook("detach-device", refused);
    let done = fake.run("remove", &["web1", "--live", "--timeout", "0", "--json"]).is(6);
    let rows = done.json();
    assert_eq!((&rows[0]["done"], &rows[0]["waiting"]), (&false.into(), &"guest".into()), "{done:?}");
}

#[test]
fn a_running_domain_that_cannot_let_go_keeps_it_in_its_configuration_too() {
    let fake = Fake::new();
    fake.define(1, "web1", DEVICE);
    fake.write(1, "live.xml", &fake.config(1));
    let refused = "case $* in *--live*) fail 'Failed to detach device' \"Bus 'pcie.0' does not support hotplugging\"; exit 1 ;; esac";
    fake.hook("detach-device", refused);
    let done = fake.run("remove", &["web1", "--live"]).is(5);
    assert!(row(&done, "failed", "-").contains("does not support hotplugging"), "{done:?}");
    assert!(fake.config(1).contains("shmem"));
    assert!(fake.runs().is_empty(), "a backup of what was not changed");
}

#[test]
fn case_42_a_transient_domain_has_only_what_runs() {
    let fake = Fake::new();
    fake.write(1, "name", "web1");
    fake.write(1, "live.xml", &Fake::xml(1, "web1", DEVICE));
    let done = fake.run("remove", &["web1"]).is(3);
    assert!(row(&done, "refused", "-").contains("use --live"), "{done:?}");
    row(&fake.run("remove", &["web1", "--live"]).is(0), "ok", "removed");
    assert_eq!(fake.read(1, "live.xml"), Fake::xml(1, "web1", ""));
    // There is no configuration to keep.
    assert!(fake.runs().is_empty());
}

#[test]
fn case_43_a_saved_state_has_it_until_it_is_restored() {
    let fake = Fake::new();
    fake.define(1, "web1", DEVICE);
    fake.write(1, "saved.xml", &fake.config(1));
    let done = fake.run("remove", &["web1"]).is(6);
    assert!(row(&done, "pending", "removed").contains("managedsave-remove"), "{done:?}");
}

#[test]
fn a_device_with_a_server_is_taken_out_on_request_only() {
    let doorbell = "    <shmem name='fg_i3'>
      <model type='ivshmem-doorbell'/>
      <server path='/run/server.sock'/>
    </shmem>
";
    let fake = Fake::new();
    fake.define(1, "web1", doorbell);
    row(&fake.run("remove", &["web1"]).is(3), "differs", "-");
    row(&fake.run("remove", &["web1", "--on-conflict", "keep"]).is(0), "ok", "-");
    row(&fake.run("remove", &["web1", "--on-conflict", "replace"]).is(0), "ok", "removed");
    assert_eq!(fake.config(1), Fake::xml(1, "web1", ""));
}

#[test]
fn the_region_of_each_domain_is_found_by_its_uuid() {
    let fake = Fake::new();
    let own = DEVICE.replace("fg_i3", &format!("fg_i3-{}", Fake::uuid(1)));
    fake.define(1, "web1", &own);
    row(&fake.run("remove", &["web1"]).is(0), "ok", "-");
    row(&fake.run("remove", &["web1", "--per-domain"]).is(0), "ok", "removed");
    assert_eq!(fake.config(1), Fake::xml(1, "web1", ""));
}

#[test]
fn as_many_as_are_asked_for_are_changed() {
    let fake = Fake::new();
    for number in 1..=3 {
        fake.define(number, &format!("vm{number}"), DEVICE);
    }
    let done = fake.run("remove", &["--all", "--limit", "2"]).is(0);
    let actions: Vec<&str> = done.rows().iter().map(|row| row[2]).collect();
    assert_eq!(actions, ["removed", "removed", "remove"], "{done:?}");
    assert!(fake.config(3).contains("shmem"));
    fake.run("remove", &[]).is(2);
}
