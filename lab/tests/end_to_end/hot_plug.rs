//! A device that comes and goes while the guest runs, by QEMU's own monitor.

use std::path::Path;
use std::process::Command;

use ivring_lab::{Guest, build_vm_config};
use serde_json::Value;

use crate::agent::{status, wait_for_status, wait_until_attached};
use crate::daemon::{Daemon, run};
use crate::setup::lab;

/// A port and a bridge behind a port, which can take the device on a machine whose own bus cannot. The firmware gives each a
/// window of 2 MiB.
const Q35: [&str; 8] = [
    "-machine",
    "q35",
    "-device",
    "pcie-root-port,id=rp1,chassis=1",
    "-device",
    "pcie-root-port,id=rp2,chassis=2",
    "-device",
    "pcie-pci-bridge,id=br1,bus=rp2",
];

struct Machine {
    guest: Guest,
    name: &'static str,
    socket: String,
}

impl Machine {
    /// Runs `qmp COMMAND` for it, which must end with `code`.
    #[track_caller]
    fn qmp(&self, program: &Path, command: &str, code: i32, more: &[&str]) -> Value {
        let mut qmp = Command::new(program);
        qmp.args(["qmp", command, "--json", "--socket", &self.socket]).args(more);
        let answer = run(&mut qmp);
        assert_eq!(answer.status, Some(code), "{} {command} {more:?}: {answer:?}", self.name);
        serde_json::from_str(&answer.output).expect("--json prints JSON")
    }

    fn wait_until_waiting(&mut self, reason: &str) {
        wait_for_status(&mut self.guest, &format!("waits: {reason}"), |status| {
            status["state"] == "waiting" && status["reason"].as_str().is_some_and(|it| it.contains(reason))
        });
    }

    fn agent(&mut self) -> Value {
        status(&mut self.guest).expect("it answers")["pid"].clone()
    }
}

#[test]
fn a_device_is_joined_and_let_go_and_joined_again_while_the_guest_runs() {
    let Some(lab) = lab("hot_plug") else { return };
    let program = build_vm_config().expect("it compiles");
    // Larger than a port's window, as it is by default.
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let daemon = Daemon::start(&lab, &["--region", region.name()]);
    let machines: [(&str, &[&str]); 2] = [("web1", &[]), ("db1", &Q35)];
    let mut plans = Vec::new();
    for (name, hardware) in machines {
        let mut plan = lab.plan(name, None);
        plan.agent = Some("run".to_owned());
        plan.hardware = hardware.iter().map(|&argument| argument.to_owned()).collect();
        let socket = lab.folder().join(format!("{name}.qmp"));
        plan.hardware.extend(["-qmp".to_owned(), format!("unix:{},server=on,wait=off", socket.display())]);
        plans.push((plan, name, socket.display().to_string()));
    }
    let guests =
        lab.boot(&plans.iter().map(|(plan, ..)| plan.clone()).collect::<Vec<_>>()).expect("they boot");
    let machines =
        guests.into_iter().zip(plans).map(|(guest, (_, name, socket))| Machine { guest, name, socket });
    let mut machines: Vec<Machine> = machines.collect();

    // On a pc its own bus, on a q35 the port and the bridge.
    let rounds: [&[&str]; 2] = [&["auto", "auto"], &["rp1", "br1", "rp1"]];
    let of_region = ["--name", region.name()];
    for (machine, buses) in machines.iter_mut().zip(rounds) {
        machine.wait_until_waiting("none of the");
        machine.qmp(&program, "status", 1, &of_region);
        let agent = machine.agent();
        for bus in buses {
            let attached = machine.qmp(&program, "attach", 0, &[&of_region[..], &["--bus", bus]].concat());
            assert_eq!((&attached["state"], &attached["done"]), (&"ok".into(), &true.into()), "{attached}");
            wait_until_attached(&mut machine.guest);
            daemon.assert_answers_soon(machine.name);
            let there = machine.qmp(&program, "status", 0, &of_region);
            assert_eq!(there["guest"], "mapped", "{there}");
            let place = format!("0000:{}", there["address"].as_str().expect("it has an address"));
            assert_eq!(status(&mut machine.guest).expect("it answers")["region"]["place"], place.as_str());
            machine.qmp(&program, "attach", 0, &of_region);

            let detached = machine.qmp(&program, "detach", 0, &of_region);
            assert_eq!((&detached["state"], &detached["done"]), (&"ok".into(), &true.into()), "{detached}");
            machine.wait_until_waiting(&format!("PCI device {place} is gone: it was unplugged or removed"));
            // Nobody can say good-bye over a device that has gone; the host finds that the machine has its memory no more.
            daemon.wait_for_line(&[machine.name, "detached: the virtual machine is gone, or its device"]);
            assert_eq!(machine.agent(), agent, "it is still the same process");
            machine.qmp(&program, "detach", 0, &of_region);
        }
        machine.qmp(&program, "attach", 0, &of_region);
        wait_until_attached(&mut machine.guest);
        assert_eq!(machine.agent(), agent, "it is still the same process");
    }
    for name in ["web1", "db1"] {
        daemon.assert_answers_soon(name);
    }
}
