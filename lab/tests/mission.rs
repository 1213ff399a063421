//! The mission in one test: every domain of a libvirt gets the device by one command, their agents answer the host, and
//! another command gives every domain back as it was.

use std::thread;
use std::time::{Duration, Instant};

use ivring_lab::{
    Artifacts, Error, Image, PASSWORD, StockHost, build_vm_config, libvirt_or_skip, or_skip, tools_or_skip,
};
use serde_json::Value;

/// Many times what anything here takes, on a machine that is busy with other things, too.
const LIMIT: Duration = Duration::from_secs(90);

struct Mission {
    host: StockHost,
}

impl Mission {
    /// Runs a program inside that must end with `code`; what it prints.
    fn run(&self, program: &str, arguments: &[&str], code: i32) -> String {
        let output = self.host.libvirtd.run(program, arguments, b"").expect("it starts");
        let [out, err] =
            [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        assert!(!out.contains(PASSWORD) && !err.contains(PASSWORD), "a secret in {program}: {out}{err}");
        assert_eq!(
            output.status.code(),
            Some(code),
            "{program} {arguments:?}: {out}\n{err}\n{}",
            self.story()
        );
        out
    }

    /// Its doctor walks from the domain's configuration to the agent's answer. What there is to say of this very host is none of
    /// the test's.
    fn assert_doctor_finds_nothing(&self, domain: &str) {
        let output = self.host.libvirtd.run("ivring", &["doctor", domain, "--json"], b"").expect("it starts");
        let lines: Vec<Value> = serde_json::from_slice(&output.stdout).expect("a list");
        let chain = [
            "guest",
            "domain-device",
            "power-cycle",
            "managed-save",
            "daemon",
            "qemu-maps",
            "session",
            "answer",
        ];
        for check in chain {
            let line = lines.iter().find(|line| line["check"] == check);
            assert!(line.is_some_and(|line| line["verdict"] == "ok"), "{check} of {domain}: {lines:#?}");
        }
    }

    fn story(&self) -> String {
        self.host.story().expect("it can be read")
    }

    /// What libvirt keeps of each domain.
    fn xml(&self) -> Vec<String> {
        StockHost::DOMAINS.iter().map(|domain| self.host.xml(domain).expect("it is there")).collect()
    }

    fn wait_for_agents(&self) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let output = self.host.libvirtd.run("ivring", &["ls", "--json"], b"").expect("it starts");
            let listed: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            let guests = listed["guests"].as_array().cloned().unwrap_or_default();
            if guests.iter().filter(|guest| guest["state"] == "attached").count() == StockHost::DOMAINS.len()
            {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "not within {LIMIT:?}: three attached in {guests:?}: {}",
                self.story()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Fails, and shows the first lines that differ, if two XMLs of a domain are not the same byte for byte.
fn assert_same(after: &[String], before: &[String], what: &str) {
    for (after, before) in after.iter().zip(before) {
        let lines = after.lines().zip(before.lines());
        let same = lines.take_while(|(after, before)| after == before).count();
        let rest = |xml: &str| xml.lines().skip(same).take(12).collect::<Vec<_>>().join("\n");
        assert!(
            after == before,
            "{what}, but after line {same} it is\n{}\nand was\n{}",
            rest(after),
            rest(before)
        );
    }
}

#[test]
fn every_domain_gets_the_device_and_gives_it_back() -> Result<(), Error> {
    const TEST: &str = "every_domain_gets_the_device_and_gives_it_back";
    let Some(tools) = tools_or_skip(TEST) else { return Ok(()) };
    let Some(()) = libvirt_or_skip(TEST) else { return Ok(()) };
    let artifacts = Artifacts::build()?;
    let host = StockHost::set_up(&tools, Image::WithAgent(&artifacts.agent));
    let Some(host) = or_skip(TEST, host) else { return Ok(()) };
    for program in [&artifacts.ivringd, &artifacts.ivring, &build_vm_config()?] {
        host.libvirtd.bring(program)?;
    }
    let mission = Mission { host };
    let region = format!("mission-{}", std::process::id());
    let vm_config = |command: &[&str], code| {
        let common = ["--all", "-c", "qemu:///system", "--name", &region];
        mission.run("ivring-vm-config", &[command, &common].concat(), code)
    };
    let before = mission.xml();
    assert!(before[2].contains(PASSWORD) && before[2].contains("<!-- kept by hand -->"), "{}", before[2]);
    assert!(!before.concat().contains(&region));

    let daemon = format!("ivringd --config /dev/null --region {region} >/var/log/ivringd.log 2>&1 &");
    mission.run("sh", &["-c", &daemon], 0);
    vm_config(&["status"], 1);
    vm_config(&["apply", "--yes"], 0);
    let with = mission.xml();
    for (xml, before) in with.iter().zip(&before) {
        assert_eq!(xml.matches(&format!("<shmem name='{region}'>")).count(), 1, "{xml}");
        assert_ne!(xml, before);
    }
    vm_config(&["status"], 0);

    for domain in StockHost::DOMAINS {
        mission.host.libvirtd.virsh(&["start", domain], b"")?;
    }
    mission.wait_for_agents();
    for domain in StockHost::DOMAINS {
        mission.run("ivring", &["ping", domain], 0);
        mission.assert_doctor_finds_nothing(domain);
    }

    // A start makes libvirt put controllers into its own order.
    let running = mission.xml();
    vm_config(&["apply", "--yes"], 0);
    assert_same(&mission.xml(), &running, "the second time changes nothing");

    // They run with it until they are off.
    vm_config(&["remove", "--yes"], 6);
    assert_same(&mission.xml(), &before, "it is as it was");
    for domain in StockHost::DOMAINS {
        mission.host.libvirtd.virsh(&["destroy", domain], b"")?;
    }
    vm_config(&["remove", "--yes"], 0);
    assert_same(&mission.xml(), &before, "it stays as it was");
    vm_config(&["status"], 1);
    Ok(())
}
