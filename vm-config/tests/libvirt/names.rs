//! Domains with any name.

use super::fake::Fake;

#[test]
fn case_45_domains_of_any_name_are_spoken_of_by_uuid() {
    let names = ["--config", "a & b <c>", "bücher \u{1f4da}", "$(reboot); echo 'x", "0"];
    let fake = Fake::new();
    for (number, name) in names.iter().enumerate() {
        fake.define(number, name, "");
    }
    for name in names {
        let done = fake.run("apply", &["--json", "--", name]).is(0);
        let rows = done.json();
        assert_eq!((rows.len(), rows[0]["domain"].as_str()), (1, Some(name)), "{done:?}");
    }
    fake.run("remove", &["--", "--config"]).is(0);
    assert!((1..5).all(|number| fake.config(number).contains("<shmem name='fg_i3'>")));
    assert!(!fake.config(0).contains("fg_i3"));
    fake.run("remove", &["--all", "--exclude", "a &*"]).is(0);
    assert!(fake.config(1).contains("fg_i3") && !fake.config(2).contains("fg_i3"));
    for call in fake.calls() {
        assert!(names.iter().take(4).all(|name| !call.contains(name) || *name == "--config"), "{call}");
    }
}

#[test]
fn names_cannot_speak_to_the_terminal() {
    let fake = Fake::new();
    fake.define(1, "a\u{1b}[2Jb", "");
    // XML cannot have it, whoever put it there.
    let done = fake.run("apply", &["--all"]).is(3);
    assert!(!done.said().contains('\u{1b}') && done.out.contains("a?[2Jb"), "{done:?}");
}
