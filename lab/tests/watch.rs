//! `ivring-vm-config watch` with a libvirtd of the test's own: whatever becomes of a domain, it has the device within
//! seconds, unless somebody took it out on purpose.

use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use ivring_lab::{Error, PrivateLibvirtd, build_vm_config, libvirt_or_skip, or_skip};
use serde_json::Value;

/// Many times what anything here takes, on a machine that is busy with other things, too.
const LIMIT: Duration = Duration::from_secs(120);
/// What it says.
const LOG: &str = "/var/log/watch.log";
const REGION: &str = "watched";
/// How many domains come at once.
const MANY: usize = 50;

struct Host {
    libvirtd: PrivateLibvirtd,
}

fn uuid(number: usize) -> String {
    format!("0f0e0d0c-0000-4000-8000-{number:012}")
}

fn xml(number: usize, name: &str, machine: &str) -> String {
    format!(
        "<domain type='qemu'><name>{name}</name><uuid>{}</uuid><memory unit='MiB'>64</memory><os><type arch='x86_64' \
         machine='{machine}'>hvm</type></os><features><acpi/></features><devices/></domain>",
        uuid(number)
    )
}

impl Host {
    fn virsh(&self, arguments: &[&str], input: &str) -> String {
        self.libvirtd.virsh(arguments, input.as_bytes()).expect("virsh succeeds")
    }

    fn define(&self, xml: &str) {
        self.virsh(&["define", "/dev/stdin"], xml);
    }

    fn config(&self, domain: &str) -> String {
        self.virsh(&["dumpxml", "--inactive", domain], "")
    }

    /// How many devices for the region a domain has.
    fn devices(&self, domain: &str) -> usize {
        self.config(domain).matches(&format!("<shmem name='{REGION}'>")).count()
    }

    /// The configuration of a domain without the device.
    fn without_device(&self, domain: &str) -> String {
        let config = self.config(domain);
        let (before, rest) = config.split_once("<shmem").expect("it has the device");
        let (_, after) = rest.split_once("</shmem>").expect("it ends");
        format!("{before}{after}")
    }

    fn log(&self) -> String {
        self.libvirtd.read(LOG).expect("it can be read")
    }

    #[track_caller]
    fn wait(&self, what: &str, done: impl Fn() -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !done() {
            assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}\n{}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    #[track_caller]
    fn gets_device(&self, domain: &str) {
        self.wait(&format!("{domain} has the device"), || self.devices(domain) == 1);
    }

    /// Waits until it has said `what` so often in all.
    #[track_caller]
    fn says(&self, what: &str, times: usize) {
        self.wait(&format!("{what:?} {times} times"), || self.log().matches(what).count() >= times);
    }

    fn shell(&self, script: &str) -> String {
        let output = self.libvirtd.run("sh", &["-c", script], b"").expect("it starts");
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs the other commands; the states of the domains by name.
    #[track_caller]
    fn vm_config(&self, command: &str, arguments: &[&str], code: i32) -> Vec<(String, String)> {
        let common = [command, "--json", "--name", REGION];
        let output = self.libvirtd.run("ivring-vm-config", &[&common[..], arguments].concat(), b"");
        let output = output.expect("it starts");
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        let rows: Vec<Value> = serde_json::from_slice(&output.stdout).expect("it is JSON");
        let text = |row: &Value, member| row[member].as_str().unwrap_or_default().to_owned();
        rows.iter().map(|row| (text(row, "domain"), text(row, "state"))).collect()
    }
}

fn states<const N: usize>(states: [(&str, &str); N]) -> Vec<(String, String)> {
    states.map(|(domain, state)| (domain.to_owned(), state.to_owned())).to_vec()
}

#[test]
fn every_domain_has_it_unless_it_was_taken_out_on_purpose() -> Result<(), Error> {
    const TEST: &str = "every_domain_has_it_unless_it_was_taken_out_on_purpose";
    let Some(()) = libvirt_or_skip(TEST) else { return Ok(()) };
    let Some(libvirtd) = or_skip(TEST, PrivateLibvirtd::start()) else { return Ok(()) };
    let host = Host { libvirtd };
    host.libvirtd.bring(&build_vm_config()?)?;
    host.define(&xml(1, "there", "pc"));
    host.shell(&format!(
        "(ivring-vm-config watch --name {REGION} --rescan 2s; echo ended $?) >{LOG} 2>&1 </dev/null &"
    ));
    host.says("watching", 1);
    assert_eq!(host.devices("there"), 1, "what is there at the start has it");

    // Defined, on both kinds of machine.
    host.define(&xml(2, "web1", "pc"));
    host.define(&xml(3, "db1", "q35"));
    host.gets_device("web1");
    host.gets_device("db1");

    // Edited, with the device taken away by the way.
    host.define(&host.without_device("db1").replace("<memory", "<title>edited</title><memory"));
    host.gets_device("db1");

    // case_44: reverted to a snapshot from before.
    let snapshot = format!(
        "<domainsnapshot><name>before</name><state>shutoff</state><creationTime>1</creationTime>{}</domainsnapshot>",
        host.without_device("web1")
    );
    host.virsh(&["snapshot-create", "web1", "/dev/stdin", "--redefine"], &snapshot);
    for times in 2..=3 {
        host.virsh(&["snapshot-revert", "web1", "before"], "");
        host.says("web1: added", times);
    }
    host.virsh(&["snapshot-delete", "web1", "before", "--metadata"], "");

    // Renamed.
    host.virsh(&["domrename", "web1", "web2"], "");
    host.virsh(&["start", "web2"], "");
    host.virsh(&["destroy", "web2"], "");
    assert_eq!(host.vm_config("status", &["web2"], 0), states([("web2", "ok")]));

    taken_out_on_purpose(&host);
    restarted(&host);
    many_at_once(&host);

    // It ends when it is told to, and leaves nobody behind.
    let said = host.log();
    host.shell("kill -TERM $(pidof ivring-vm-config)");
    host.says("ended 0", 1);
    assert_eq!(host.shell("pidof virsh || true").trim(), "");
    assert_eq!(said.matches("failed").count(), 0, "{said}");
    Ok(())
}

fn taken_out_on_purpose(host: &Host) {
    // By hand: by one command, which older versions of libvirt do not tell of, and by an edit of nothing else.
    host.virsh(&["detach-device-alias", "web2", &format!("ua-{REGION}"), "--config"], "");
    host.says("web2: removed: taken out on purpose by somebody", 1);
    host.define(&host.without_device("db1"));
    host.says("db1: removed: taken out on purpose by somebody", 1);
    // By the command for it.
    host.vm_config("remove", &["there"], 0);
    host.says("there: removed: taken out on purpose by ivring-vm-config remove", 1);
    let removed = states([("db1", "removed"), ("there", "removed"), ("web2", "removed")]);
    assert_eq!(host.vm_config("status", &[], 0), removed);
    assert_eq!(host.vm_config("apply", &["--all", "--yes"], 0), removed);

    // Until somebody wants it again.
    assert_eq!(host.vm_config("apply", &["db1"], 0), states([("db1", "ok")]));
    // Until it is another domain with the same UUID.
    host.virsh(&["undefine", "there"], "");
    host.define(&xml(1, "there", "pc"));
    host.gets_device("there");
    assert_eq!(host.devices("web2"), 0);
}

fn restarted(host: &Host) {
    host.shell("kill $(cat /run/libvirtd.pid)");
    host.says("waiting for it", 1);
    host.wait("libvirtd ends", || host.shell("pidof libvirtd || true").trim().is_empty());
    host.shell("libvirtd >>/var/log/libvirt/libvirtd.log 2>&1 </dev/null &");
    host.says("it is back", 1);
    host.define(&xml(4, "later", "pc"));
    host.gets_device("later");
    assert_eq!(host.log().matches("waiting for it").count(), 1, "{}", host.log());
    assert_eq!(host.devices("web2"), 0, "it is remembered");
}

fn many_at_once(host: &Host) {
    let mut script = String::new();
    for number in 0..MANY {
        let (name, xml) = (format!("many{number:02}"), xml(100 + number, &format!("many{number:02}"), "pc"));
        host.libvirtd.write(&format!("/run/{name}.xml"), xml.as_bytes()).expect("it can be written");
        let _ = write!(script, "define /run/{name}.xml; ");
    }
    host.virsh(&[&script], "");
    let added = |line: &&str| line.contains("many") && line.contains(": added, at 00:1f.0");
    host.wait("all have the device", || host.log().lines().filter(added).count() == MANY);
    let states = host.vm_config("status", &["--exclude", "web2"], 0);
    assert!(states.iter().all(|(_, state)| state == "ok" || state == "excluded"), "{states:?}");
    assert_eq!(states.len(), MANY + 4);
}
