//! Guests on one region and guests on regions of their own, served by one daemon.

use std::process::Command;

use crate::agent::{wait_for_listener, wait_until_attached};
use crate::daemon::{Daemon, run};
use crate::setup::{LIMIT, lab, output, programs};

const STRANGERS: [&str; 2] = ["11111111-2222-4333-8444-555555555555", "66666666-7777-4888-8999-aaaaaaaaaaaa"];

#[test]
fn two_guests_on_one_region_and_one_on_its_own_beside_them() {
    let Some(lab) = lab("regions") else { return };
    let size = "8M".parse().expect("a power of two");
    let shared = lab.region(size).expect("a name is found");
    let mut plans = [lab.plan("web1", Some(&shared)), lab.plan("web2", Some(&shared)), lab.plan("db1", None)];
    let own = lab.region_of(&plans[2].uuid, size).expect("a name is found");
    plans[2].shmem = Some(own.clone());
    for plan in &mut plans {
        plan.agent = Some("run".to_owned());
    }
    let prefix = own.name().strip_suffix(&plans[2].uuid).expect("it is named after the guest");
    let daemon = Daemon::start(&lab, &["--region", shared.name(), "--region", &format!("{prefix}*")]);
    let mut guests = lab.boot(&plans).expect("three guests boot");

    let channels: Vec<_> = guests.iter_mut().map(wait_until_attached).collect();
    for ((plan, channel), region) in plans.iter().zip(&channels).zip([&shared, &shared, &own]) {
        let listed = daemon.wait_for_guest(&plan.name, "attached");
        assert_eq!(listed["guest"], plan.uuid.as_str());
        assert_eq!(listed["region"], region.name());
        assert_eq!(listed["channel"], *channel);
        daemon.assert_answers(&plan.name);
        daemon.assert_answers(&plan.uuid);
    }
    assert_ne!(channels[0], channels[1], "two guests, two channels");
    assert_eq!(channels[2], 0, "a region of one's own has one channel");
    assert_eq!(daemon.guests().len(), 3);

    // Text and bytes come through as they are, to the one that was meant and no other.
    for (guest, name) in guests.iter_mut().zip(["web1", "web2", "db1"]) {
        output(guest, "ivring-agent listen --topic greeting >/tmp/heard 2>&1 &");
        wait_for_listener(guest);
        let sent = daemon.ivring(&["send", name, "greeting", &format!("hello {name}")]);
        assert_eq!(sent.status, Some(0), "{sent:?}");
        crate::setup::wait_for("the greeting", || {
            output(guest, "cat /tmp/heard").contains(&format!("hello {name}")).then_some(())
        });
        assert_eq!(output(guest, "grep -c hello /tmp/heard"), "1");
    }

    // Nobody else may join the region of one guest: neither in it nor on the host.
    let join =
        format!("ivring-agent run --once --id {} --name outsider --socket /tmp/outsider", STRANGERS[0]);
    let answer = guests[2].run(&join, LIMIT).expect("the guest answers");
    assert_eq!(answer.status, 3, "{}", answer.output);
    assert!(answer.output.contains("belongs to another"), "{}", answer.output);
    let socket = lab.folder().join("intruder");
    let arguments = ["run", "--once", "--id", STRANGERS[1], "--name", "intruder", "--region", &own.path()];
    let refused = run(Command::new(&programs().artifacts.agent).args(arguments).arg("--socket").arg(&socket));
    assert_eq!(refused.status, Some(3), "{refused:?}");
    assert!(refused.messages.contains("belongs to another"), "{refused:?}");
    daemon.wait_for_line(&["outsider ", "refused", "belongs to another"]);
    daemon.wait_for_line(&["intruder ", "refused", "belongs to another"]);
    daemon.assert_answers("db1");

    for guest in guests {
        guest.power_off(LIMIT).expect("it ends");
    }
    crate::setup::wait_for("good-byes of all", || daemon.guests().is_empty().then_some(()));
    for plan in &plans {
        daemon.wait_for_line(&[&plan.name, "said good-bye"]);
    }
}
