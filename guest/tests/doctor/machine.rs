//! Who the machine is, what starts its agent, and how many it has.

use crate::agent::{Place, uuid};
use crate::checks::Checks;
use crate::files::FakeMachine;

fn doctor(machine: &FakeMachine) -> Checks {
    let place = Place::new();
    Checks::of(place.command(&["doctor"]).arg("--root").arg(machine.root()))
}

#[test]
fn a_machine_that_nothing_names_is_told_how() {
    let machine = FakeMachine::new();
    machine.write("proc/sys/kernel/random/boot_id", "36b05040-ff12-4dcc-b108-967183781a75\n");
    doctor(&machine).assert("identity", "failed", "has no UUID of its own", "ivring-agent run --id");
    if nix::unistd::geteuid().is_root() {
        machine.write("etc/machine-id", "6b7c1f2e00004000800000000000000a\n");
        doctor(&machine).assert(
            "identity",
            "pending",
            "clones of this disk have the same",
            "ivring-agent run --id",
        );
    }
    machine.write("sys/class/dmi/id/product_uuid", &uuid(7));
    doctor(&machine).assert("identity", "ok", &uuid(7), "");
}

#[test]
fn a_service_that_is_missing_or_disabled_is_told() {
    let machine = FakeMachine::new();
    let checks = doctor(&machine);
    checks.assert("service", "pending", "nothing starts the agent at boot", "ivring-agent install");
    checks.assert("agent", "failed", "nobody listens here", "ivring-agent install, or ivring-agent run");
    machine.write("usr/lib/systemd/system/ivring-agent.service", "");
    let checks = doctor(&machine);
    checks.assert("service", "pending", "does not start at boot", "systemctl enable ivring-agent");
    checks.assert("agent", "failed", "nobody listens here", "systemctl restart ivring-agent");
    machine.write("etc/systemd/system/multi-user.target.wants/ivring-agent.service", "");
    doctor(&machine).assert("service", "ok", "starts the agent at boot", "");
}

#[test]
fn agents_that_share_the_machines_name_are_told() {
    let machine = FakeMachine::new();
    doctor(&machine).assert("one-agent", "ok", "no process is an agent", "");
    machine.write("proc/12/cmdline", "/usr/local/bin/ivring-agent\0run\0");
    machine.write("proc/40/cmdline", "/usr/bin/ivring-agent\0run\0--id\0another\0");
    doctor(&machine).assert("one-agent", "ok", "process 12 is the only agent", "");
    machine.write("proc/34/cmdline", "/root/ivring-agent\0-v\0run\0");
    doctor(&machine).assert("one-agent", "failed", "processes 12, 34 are agents", "kill 34");
}
