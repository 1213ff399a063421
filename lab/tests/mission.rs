//! The mission: every domain of a libvirt gets the device by one command, their agents answer the host, and another command
//! gives every domain back as it was. Those that come later, and those that run already, get it by a third one.

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
    /// A host with all programs, and with domains that are off. `None` after a line that says why there is none.
    fn set_up(test: &str) -> Result<Option<Self>, Error> {
        let Some(tools) = tools_or_skip(test) else { return Ok(None) };
        let Some(()) = libvirt_or_skip(test) else { return Ok(None) };
        let artifacts = Artifacts::build()?;
        let host = StockHost::set_up(&tools, Image::WithAgent(&artifacts.agent));
        let Some(host) = or_skip(test, host) else { return Ok(None) };
        for program in [&artifacts.ivringd, &artifacts.ivring, &build_vm_config()?] {
            host.libvirtd.bring(program)?;
        }
        Ok(Some(Self { host }))
    }

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

    /// The names of the guests that are attached.
    fn attached(&self) -> Vec<String> {
        let output = self.host.libvirtd.run("ivring", &["ls", "--json"], b"").expect("it starts");
        let listed: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let guests = listed["guests"].as_array().cloned().unwrap_or_default();
        let attached = guests.iter().filter(|guest| guest["state"] == "attached");
        attached.filter_map(|guest| Some(guest["name"].as_str()?.to_owned())).collect()
    }

    fn wait_for_agents(&self) {
        self.wait("three attached", || self.attached().len() == StockHost::DOMAINS.len());
    }

    fn wait_for_agent(&self, domain: &str) {
        self.wait(&format!("{domain} attached"), || self.attached().iter().any(|name| name == domain));
    }

    #[track_caller]
    fn wait(&self, what: &str, done: impl Fn() -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !done() {
            assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}: {}", self.story());
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
    let Some(mission) = Mission::set_up(TEST)? else { return Ok(()) };
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
    // Nobody has it, as somebody wanted.
    let status = vm_config(&["status"], 0);
    assert_eq!(status.matches("removed").count(), StockHost::DOMAINS.len(), "{status}");
    vm_config(&["apply", "--yes"], 0);
    vm_config(&["status"], 0);
    Ok(())
}

#[test]
fn while_it_is_watched_every_domain_attaches_by_itself() -> Result<(), Error> {
    const TEST: &str = "while_it_is_watched_every_domain_attaches_by_itself";
    let Some(mission) = Mission::set_up(TEST)? else { return Ok(()) };
    let libvirtd = &mission.host.libvirtd;
    let region = format!("mission-{}", std::process::id());
    let daemon = format!("ivringd --config /dev/null --region {region} >/var/log/ivringd.log 2>&1 &");
    mission.run("sh", &["-c", &daemon], 0);

    // One runs without the device, and has booted.
    libvirtd.virsh(&["start", "web1"], b"")?;
    mission.wait("an agent that waits for the device", || {
        libvirtd.read("/var/log/web1-console.log").is_ok_and(|said| said.contains("waiting"))
    });
    let run = libvirtd.virsh(&["domid", "web1"], b"")?;
    // One is not known yet.
    let later = mission.host.xml("db1")?;
    libvirtd.virsh(&["undefine", "db1"], b"")?;

    let watch = format!("ivring-vm-config watch --live --name {region} >/var/log/watch.log 2>&1 &");
    mission.run("sh", &["-c", &watch], 0);
    mission.wait_for_agent("web1");
    mission.run("ivring", &["ping", "web1"], 0);
    assert_eq!(libvirtd.virsh(&["domid", "web1"], b"")?, run, "it was not started again");

    libvirtd.virsh(&["define", "/dev/stdin"], later.as_bytes())?;
    mission.wait("the device in db1", || {
        mission.host.xml("db1").is_ok_and(|xml| xml.contains(&format!("<shmem name='{region}'>")))
    });
    libvirtd.virsh(&["start", "db1"], b"")?;
    mission.wait_for_agent("db1");
    mission.run("ivring", &["ping", "db1"], 0);
    mission.run("sh", &["-c", "kill -TERM $(pidof ivring-vm-config)"], 0);
    mission.wait("the end of the watch", || {
        libvirtd.run("pidof", &["ivring-vm-config"], b"").is_ok_and(|output| !output.status.success())
    });
    Ok(())
}
