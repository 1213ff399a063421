//! The agent as a service of running guests: started by init, started again, replaced and removed.

use std::thread;
use std::time::{Duration, Instant};

use ivring_lab::{Artifacts, Error, Guest, Lab, tools_or_skip};
use serde_json::Value;

/// Many times what anything here takes.
const LIMIT: Duration = Duration::from_secs(60);
const INSTALLED: &str = "/usr/local/bin/ivring-agent";

fn lab(test: &str) -> Option<Lab> {
    let tools = tools_or_skip(test)?;
    let agent = Artifacts::build().expect("the programs compile").agent;
    Some(Lab::new(test, &tools, &[&agent]).expect("a lab can be set up"))
}

/// Runs a script that must succeed; returns its output.
fn output(guest: &mut Guest, script: &str) -> String {
    let answer = guest.run(script, LIMIT).expect("the guest answers");
    assert_eq!(answer.status, 0, "{script}: {}", answer.output);
    answer.output.trim().to_owned()
}

/// Waits until an agent other than `last` answers; its process id.
fn wait_for_agent(guest: &mut Guest, last: Option<u64>) -> u64 {
    let deadline = Instant::now() + LIMIT;
    loop {
        let answer = guest.run("ivring-agent status --json 2>/dev/null", LIMIT).expect("the guest answers");
        let status: Option<Value> = serde_json::from_str(&answer.output).ok();
        match status.and_then(|status| status["pid"].as_u64()) {
            Some(process) if Some(process) != last => return process,
            _ => assert!(Instant::now() < deadline, "no agent but {last:?} answers within {LIMIT:?}"),
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// The program that a process runs.
fn program(guest: &mut Guest, process: u64) -> String {
    output(guest, &format!("ls -l /proc/{process}/exe | sed 's/.* -> //'"))
}

#[test]
fn plain_init_starts_the_agent_and_starts_it_again() -> Result<(), Error> {
    let Some(lab) = lab("install-inittab") else { return Ok(()) };
    let mut plan = lab.plan("web1", None);
    plan.inittab = true;
    let mut guest = lab.boot(&[plan])?.remove(0);
    let before = output(&mut guest, "cat /etc/inittab");

    // It answers when the command returns.
    let told = output(&mut guest, "ivring-agent install");
    assert_eq!(told.lines().count(), 3, "{told}");
    assert!(told.ends_with("tell init to read /etc/inittab again (SIGHUP to process 1)"), "{told}");
    let first = wait_for_agent(&mut guest, None);
    assert_eq!(program(&mut guest, first), INSTALLED);
    assert_eq!(output(&mut guest, "ivring-agent install"), "already so");
    assert_eq!(wait_for_agent(&mut guest, None), first, "it was not disturbed");
    assert!(output(&mut guest, "dmesg").contains("waiting: "), "its log is the kernel's");

    output(&mut guest, &format!("kill -9 {first}"));
    let second = wait_for_agent(&mut guest, Some(first));

    // As at a boot: nothing but init and its file is there.
    guest.restart_init()?;
    let third = wait_for_agent(&mut guest, Some(second));
    assert_eq!(program(&mut guest, third), INSTALLED);

    // A newer program takes its place, and an agent that was started by hand is left alone.
    output(&mut guest, "cat /bin/ivring-agent >/bin/newer; echo newer >>/bin/newer; chmod 755 /bin/newer");
    output(&mut guest, "ivring-agent run --socket /run/by-hand >/dev/null 2>&1 & echo $! >/run/by-hand.pid");
    let told = output(&mut guest, "/bin/newer install");
    assert_eq!(told, format!("write {INSTALLED}, mode 0755\nend process {third} (SIGTERM)"));
    let fourth = wait_for_agent(&mut guest, Some(third));
    assert_eq!(program(&mut guest, fourth), INSTALLED, "not the file that was replaced");
    output(&mut guest, "kill -0 $(cat /run/by-hand.pid)");

    output(&mut guest, &format!("{INSTALLED} uninstall"));
    assert_eq!(output(&mut guest, "cat /etc/inittab"), before);
    output(
        &mut guest,
        &format!("[ ! -e {INSTALLED} ] && [ ! -e /proc/{fourth} ] && kill -0 $(cat /run/by-hand.pid)"),
    );
    assert_eq!(output(&mut guest, "ivring-agent uninstall"), "already so");
    // Init would have started it again within a second.
    thread::sleep(Duration::from_secs(2));
    assert_eq!(guest.run("ivring-agent status", LIMIT)?.status, 1, "no agent answers");
    guest.power_off(LIMIT)
}

/// Stands for systemd: notes what it is told, and has one service.
const SYSTEMCTL: &str = r#"#!/bin/sh
echo "$@" >>/run/told
stop() { [ ! -e /run/pid ] || { kill $(cat /run/pid); rm /run/pid; sleep 1; }; }
case $1 in
    is-active) [ -e /run/pid ] ;;
    start | restart)
        stop
        [ ! -e /run/broken ] || { echo "no such luck" >&2; exit 1; }
        program=$(sed -n 's/^ExecStart=//p' /etc/systemd/system/ivring-agent.service)
        $program >/dev/null 2>&1 &
        echo $! >/run/pid ;;
    stop) stop ;;
esac
"#;

#[test]
fn systemd_is_told_what_it_must_know() -> Result<(), Error> {
    let Some(lab) = lab("install-systemd") else { return Ok(()) };
    let mut guest = lab.boot(&[lab.plan("web1", None)])?.remove(0);
    let answer = guest.run("ivring-agent install", LIMIT)?;
    assert_eq!(answer.status, 3, "there is no init yet: {}", answer.output);
    assert!(answer.output.contains("/run/systemd/system"), "{}", answer.output);

    let script = format!(
        "mkdir -p /run/systemd/system; cat >/bin/systemctl <<'END'\n{SYSTEMCTL}END\nchmod 755 /bin/systemctl"
    );
    output(&mut guest, &script);
    let told = |guest: &mut Guest, command: &str, status: u8| {
        let answer = guest.run(&format!("rm -f /run/told; {command}"), LIMIT).expect("the guest answers");
        assert_eq!(answer.status, status, "{command}: {}", answer.output);
        (output(guest, "cat /run/told").replace('\n', ", "), answer.output)
    };

    assert_eq!(told(&mut guest, "ivring-agent install", 0).0, "daemon-reload, restart ivring-agent");
    let first = wait_for_agent(&mut guest, None);
    assert_eq!(program(&mut guest, first), INSTALLED);
    assert_eq!(
        told(&mut guest, "ivring-agent install", 0),
        ("is-active --quiet ivring-agent".to_owned(), "already so\n".to_owned())
    );
    assert_eq!(wait_for_agent(&mut guest, None), first, "it was not disturbed");

    // A newer program: systemd knows the unit already.
    output(&mut guest, "cat /bin/ivring-agent >/bin/newer; echo newer >>/bin/newer; chmod 755 /bin/newer");
    assert_eq!(told(&mut guest, "/bin/newer install", 0).0, "restart ivring-agent");
    let second = wait_for_agent(&mut guest, Some(first));
    assert_eq!(program(&mut guest, second), INSTALLED);

    // One that was stopped is started; with --no-start it is not.
    output(&mut guest, "systemctl stop");
    assert_eq!(told(&mut guest, "echo >/run/told; /bin/newer install --no-start", 0).0, "");
    assert_eq!(
        told(&mut guest, "/bin/newer install", 0).0,
        "is-active --quiet ivring-agent, start ivring-agent"
    );
    wait_for_agent(&mut guest, Some(second));

    let (words, changes) = told(&mut guest, &format!("{INSTALLED} uninstall"), 0);
    assert_eq!(words, "stop ivring-agent, daemon-reload");
    assert_eq!(changes.lines().filter(|line| line.starts_with("remove ")).count(), 3, "{changes}");
    assert_eq!(guest.run("ivring-agent status", LIMIT)?.status, 1, "no agent answers");

    // What systemd refuses is told, and done at the next try.
    let (_, output_of_failure) = told(&mut guest, "touch /run/broken; ivring-agent install", 5);
    assert!(output_of_failure.contains("no such luck"), "{output_of_failure}");
    assert_eq!(
        told(&mut guest, "rm /run/broken; ivring-agent install", 0).0,
        "is-active --quiet ivring-agent, start ivring-agent"
    );
    // A service that ends at once: the command waits some seconds for it and says so.
    output(&mut guest, "systemctl stop; printf '#!/bin/sh\\n' >/bin/systemctl");
    let (_, pending) = told(&mut guest, "touch /run/told; ivring-agent install", 6);
    assert!(pending.contains("no agent answers yet"), "{pending}");
    guest.power_off(LIMIT)
}
