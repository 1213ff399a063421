//! Programs killed with SIGKILL, in the guest and on the host, and back.

use std::thread;
use std::time::Duration;

use ivring_lab::witness::check;

use crate::agent::{kill, let_back, status, wait_for_status, wait_until_attached};
use crate::daemon::Daemon;
use crate::setup::{lab, output, wait_for};
use crate::witness::{
    HOST, Witness, details, journal_in, kill_in, life_in, peer, start_in, undelivered, wait_for_message_in,
};

#[test]
fn a_killed_agent_comes_back_to_its_channel_and_its_messages() {
    let Some(lab) = lab("agent-killed") else { return };
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let mut plan = lab.plan("web1", Some(&region));
    plan.agent = Some("run".to_owned());
    let daemon = Daemon::start(&lab, &["--region", region.name()]);
    let mut guest = lab.boot(&[plan]).expect("it boots").remove(0);
    let channel = wait_until_attached(&mut guest);

    kill(&mut guest);
    for number in 0..20 {
        let sent = daemon.ivring(&["send", "web1", "while.away", &number.to_string()]);
        assert_eq!(sent.status, Some(0), "{sent:?}");
    }
    let_back(&mut guest);
    assert_eq!(wait_until_attached(&mut guest), channel);
    let status = wait_for_status(&mut guest, "has it all", |status| status["counters"]["received"] == 20);
    assert_eq!(status["counters"]["redelivered"], 0, "none was received before");
    daemon.assert_answers_soon("web1");
    assert_eq!(daemon.guests().len(), 1);
}

#[test]
fn a_killed_daemon_comes_back_and_no_guest_notices_more_than_that() {
    let Some(lab) = lab("daemon-killed") else { return };
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let mut plan = lab.plan("web1", Some(&region));
    plan.agent = Some("run".to_owned());
    let mut daemon = Daemon::start(&lab, &["--region", region.name()]);
    let mut guest = lab.boot(&[plan]).expect("it boots").remove(0);
    let channel = wait_until_attached(&mut guest);
    let agent = status(&mut guest).expect("it answers")["pid"].clone();

    // Under load, three times, one of them for longer than a heartbeat.
    let load = "i=0; while ivring-agent send load $i; do i=$((i+1)); echo $i >/tmp/sent; done >/dev/null 2>/tmp/why &";
    output(&mut guest, load);
    for pause in [0, 1500, 0] {
        let before = daemon.wait_for_guest("web1", "attached")["received"].as_u64();
        wait_for("load", || {
            let now = daemon.wait_for_guest("web1", "attached")["received"].as_u64();
            (now > before.map(|before| before + 5)).then_some(())
        });
        daemon.kill();
        thread::sleep(Duration::from_millis(pause));
        daemon.start_again();
        daemon.assert_answers("web1");
    }
    assert_eq!(wait_until_attached(&mut guest), channel);
    assert_eq!(status(&mut guest).expect("it answers")["pid"], agent, "the agent itself went on");
    assert_eq!(output(&mut guest, "cat /tmp/why"), "", "no message was refused");
    assert_eq!(daemon.end(), Some(0));
    let away = wait_for_status(&mut guest, "sees it go", |status| status["host"] == "away");
    assert_eq!(away["state"], "attached");
}

#[test]
fn nothing_is_lost_when_the_program_in_the_guest_is_killed_under_load() {
    let Some(lab) = lab("guest-killed") else { return };
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let plan = lab.plan("web1", Some(&region));
    let peer = peer(&plan);
    let host = Witness::host(&lab, &region.path(), &["--send", "4000"]);
    let mut guest = lab.boot(&[plan]).expect("it boots").remove(0);
    for life in 1..=3 {
        let process = start_in(&mut guest, &["--send", "4000"]);
        host.wait_for_messages(&peer, life * 400);
        kill_in(&mut guest, &process);
    }
    start_in(&mut guest, &["--send", "500"]);
    host.wait_for_message(&peer, life_in(&mut guest), 499);
    wait_for_message_in(&mut guest, host.life(), 3999);

    let (here, there) = (host.journal(), journal_in(&mut guest));
    check(&there, HOST, &here, &peer).expect("all that the guest published came");
    let to_guest = check(&here, &peer, &there, HOST).expect("all that the host published came");
    assert_eq!(to_guest.messages, 4000);
    let attached = details(&here, &peer, "attached");
    assert_eq!(attached.len(), 4, "{attached:?}");
    assert!(attached[1..].iter().all(|how| how.starts_with("channel 0 goes on")), "{attached:?}");
    assert_eq!(undelivered(&here, &peer), [0_u64; 0]);
}

#[test]
fn nothing_is_lost_when_the_host_is_killed_under_load() {
    let Some(lab) = lab("host-killed") else { return };
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let plan = lab.plan("web1", Some(&region));
    let peer = peer(&plan);
    let mut host = Witness::host(&lab, &region.path(), &["--send", "1500"]);
    let mut guest = lab.boot(&[plan]).expect("it boots").remove(0);
    start_in(&mut guest, &["--send", "8000"]);
    for life in 1..=4 {
        host.wait_for_messages(&peer, life * 1000);
        host.kill();
        host.start_again(&["--send", "1500"]);
    }
    host.wait_for_message(&peer, life_in(&mut guest), 7999);
    wait_for_message_in(&mut guest, host.life(), 1499);

    let (here, there) = (host.journal(), journal_in(&mut guest));
    let from_guest = check(&there, HOST, &here, &peer).expect("all that the guest published came");
    assert_eq!(from_guest.messages, 8000);
    let to_guest = check(&here, &peer, &there, HOST).expect("all that the host published came");
    assert_eq!(to_guest.repeats, 0, "the guest's program was not started again");
    assert_eq!(details(&there, HOST, "attached"), ["channel 0"], "the session went on");
    assert_eq!(details(&there, HOST, "restarted").len(), 4);
}
