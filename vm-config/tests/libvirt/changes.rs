//! Changes that meet others, or that libvirt does not make.

use std::fs;

use super::fake::{DEVICE, Fake};

/// A device for the region that differs from the one asked for.
const OTHER: &str = "    <shmem name='fg_i3'>
      <model type='ivshmem-plain'/>
      <size unit='M'>4</size>
    </shmem>
";

/// Edits the domain with the number 1 whenever its secrets have been read `times` times at most: after that reading, and
/// before anything can be done with it.
fn edit_after_reading(fake: &Fake, times: usize) {
    let config = fake.path("domains").join(Fake::uuid(1)).join("config.xml");
    let edit = format!(
        "case \" $* \" in *' --security-info '*)
    show \"$4\" config.xml cat
    if [ \"$count\" -le {times} ]; then
        sed -i \"s/<memory unit='KiB'>.*</<memory unit='KiB'>70000$count</\" '{}'
    fi
    exit 0
esac",
        config.display()
    );
    fake.hook("--security-info", &edit);
}

#[test]
fn case_47_an_edit_while_it_is_replaced_is_kept() {
    let fake = Fake::new();
    fake.define(1, "web1", OTHER);
    edit_after_reading(&fake, 1);
    fake.run("apply", &["web1", "--on-conflict", "replace"]).is(0);
    let now = fake.config(1);
    assert!(now.contains("<size unit='M'>8</size>") && now.contains(">700001<"), "{now}");
    assert_eq!(fake.changes(), 1);
    // What is kept is the domain as it was when it was replaced.
    let kept = fs::read_to_string(fake.runs()[0].join(format!("{}.xml", Fake::uuid(1)))).unwrap();
    assert!(kept.contains(">700001<") && kept.contains("<size unit='M'>4</size>"), "{kept}");
}

#[test]
fn case_47_what_is_edited_all_the_time_is_left_alone() {
    let fake = Fake::new();
    fake.define(1, "web1", OTHER);
    edit_after_reading(&fake, 100);
    let done = fake.run("apply", &["web1", "--on-conflict", "replace"]).is(5);
    assert!(done.out.contains("changed by another"), "{done:?}");
    assert!(fake.config(1).contains("<size unit='M'>4</size>"));
    assert_eq!((fake.changes(), fake.runs().len()), (0, 0));
}

#[test]
fn what_libvirt_only_says_it_did_is_told() {
    let fake = Fake::new();
    fake.define(1, "web1", "");
    fake.set("ignores");
    let done = fake.run("apply", &["web1"]).is(5);
    assert!(done.out.contains("does not show it") && done.out.contains("rollback --from"), "{done:?}");
}

#[test]
fn a_virsh_that_is_killed_after_the_change_leaves_the_backup() {
    let fake = Fake::new();
    fake.define(1, "web1", "");
    let before = fake.config(1);
    fake.hook(
        "attach-device",
        "case $1 in attach-device) shift && change put_in \"$@\" && kill -9 $$ ;; esac",
    );
    let done = fake.run("apply", &["web1"]).is(5);
    assert!(done.out.contains("signal 9"), "{done:?}");
    assert!(fake.config(1).contains("<shmem name='fg_i3'>"), "it was done");
    let kept = fs::read_to_string(fake.runs()[0].join(format!("{}.xml", Fake::uuid(1)))).unwrap();
    assert_eq!(kept, before);
    // One that was killed before it leaves none.
    fake.define(2, "web2", "");
    fake.hook("attach-device", "case $1 in attach-device) kill -9 $$ ;; esac");
    fake.run("apply", &["web2"]).is(5);
    assert_eq!(fake.runs().len(), 1);
}

#[test]
fn a_libvirt_that_is_gone_after_the_change_leaves_the_way_back() {
    let fake = Fake::new();
    fake.define(1, "web1", "");
    fake.hook(
        "attach-device",
        "if [ $count -gt 0 ] && [ $1 = dumpxml ]; then fail 'Disconnected from the hypervisor'; exit 1; fi",
    );
    let done = fake.run("apply", &["web1"]).is(5);
    assert!(fake.config(1).contains("<shmem name='fg_i3'>"), "it was done");
    assert!(done.out.contains("libvirt took the change"), "{done:?}");
    let kept = fake.runs()[0].display().to_string();
    assert!(done.out.contains("rollback --from") && done.out.contains(&kept), "{done:?}");
}

#[test]
fn case_50_of_500_domains_one_is_bad() {
    let fake = Fake::new();
    for number in 0..500 {
        let name = format!("vm{number:03}");
        match number {
            250 => fake.define(number, &name, OTHER),
            // To change one costs four processes.
            number if number % 50 == 7 => fake.define(number, &name, ""),
            _ => fake.define(number, &name, DEVICE),
        }
    }
    let done = fake.run("apply", &["--all"]).is(3);
    let rows = done.rows();
    assert_eq!(rows.len(), 500, "{}", done.err);
    assert_eq!(rows[250][..2], ["vm250", "differs"], "{:?}", rows[250]);
    assert_eq!(rows.iter().filter(|row| row[1] == "ok").count(), 499);
    assert_eq!(rows.iter().filter(|row| row[2] == "added").count(), 10);
    assert_eq!(fake.changes(), 10);
}

#[test]
fn without_a_place_for_backups_nothing_is_changed() {
    let fake = Fake::new();
    fake.define(1, "web1", "");
    fake.define(2, "web2", DEVICE);
    fs::write(fake.path("file"), "").unwrap();
    // Root may write everywhere, but no one below a file.
    let below = fake.path("file").join("backups").display().to_string();
    fs::write(fake.path("web2.xml"), Fake::xml(2, "web2", "")).unwrap();
    let backup = fake.path("web2.xml").display().to_string();
    for (command, arguments) in
        [("apply", ["web1", "--yes"]), ("remove", ["web2", "--yes"]), ("rollback", ["--from", &backup])]
    {
        let done = fake.run(command, &[&arguments[..], &["--backup-dir", &below]].concat()).is(5);
        assert!(done.out.contains("nothing was changed") && done.out.contains("--backup-dir"), "{done:?}");
    }
    assert_eq!(fake.changes(), 0);
}

#[test]
fn nothing_is_changed_by_a_look() {
    let fake = Fake::new();
    fake.define(1, "web1", "");
    fake.define(2, "web2", DEVICE);
    fs::write(fake.path("web2.xml"), Fake::xml(2, "web2", "")).unwrap();
    let backup = fake.path("web2.xml").display().to_string();
    fake.run("status", &[]).is(1);
    fake.run("apply", &["--all", "--dry-run"]).is(1);
    fake.run("remove", &["--all", "--dry-run"]).is(1);
    fake.run("rollback", &["--from", &backup, "--dry-run"]).is(1);
    assert_eq!((fake.changes(), fake.runs().len()), (0, 0));
}
