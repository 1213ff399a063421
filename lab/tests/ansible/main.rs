//! The role for Ansible, with ansible-core, on a host with libvirt and in a "guest": both are this machine, in namespaces where
//! nothing of it is seen outside, with a stand-in for systemd.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use ivring_lab::{
    Artifacts, Error, PrivateLibvirtd, ansible_or_skip, build_vm_config, libvirt_or_skip, or_skip,
};
use serde_json::Value;

/// Many times what the watch takes.
const LIMIT: Duration = Duration::from_secs(60);
/// Where the checkout is, inside.
const CHECKOUT: &str = "/run/checkout";

/// Folders of the machine that the role writes to, each as a copy or empty.
const PRIVATE: &str = "
mkdir /run/etc
cp -a /etc/. /run/etc
mount --bind /run/etc /etc
mount -t tmpfs private /usr/local
mkdir -p /usr/local/bin /run/systemd/system /etc/systemd/system /etc/sysusers.d /etc/tmpfiles.d
useradd --no-create-home alice
";

const INVENTORY: &str = "
[kvm_hosts]
host1 ivring_operators='[\"alice\"]' ivring_exclude='[\"win*\"]' ivring_options='{\"profile\": \"power\"}'
[guests]
guest1 ivring_agent_options='{\"name\": \"a \\\"guest\\\"\"}'
[all:vars]
ansible_connection=local
ansible_python_interpreter=/usr/bin/python3
ivring_size=1M
";

/// A machine on which the role is played.
struct Machine {
    libvirtd: PrivateLibvirtd,
}

/// What a run of the playbook came to: of each machine, how many tasks changed something.
#[derive(Debug)]
struct Played {
    host: u64,
    guest: u64,
}

impl Machine {
    /// `None`, and a loud word, where there is no libvirt or Ansible, or no right to make namespaces.
    fn new(test: &str) -> Option<Self> {
        ansible_or_skip(test)?;
        libvirt_or_skip(test)?;
        let libvirtd = or_skip(test, PrivateLibvirtd::start())?;
        let machine = Self { libvirtd };
        machine.set_up().expect("the machine is made");
        Some(machine)
    }

    fn set_up(&self) -> Result<(), Error> {
        self.shell(PRIVATE);
        let folder = format!("{CHECKOUT}/docs/ansible");
        for file in files(&root().join("docs/ansible")) {
            let name = file.strip_prefix(root()).expect("it is below the root").display().to_string();
            self.shell(&format!("mkdir -p \"$(dirname '{CHECKOUT}/{name}')\""));
            // A link to a file elsewhere in the checkout is copied as that file.
            self.libvirtd.copy(&file, &format!("{CHECKOUT}/{name}"))?;
        }
        self.shell(&format!("mkdir {folder}/programs"));
        let artifacts = Artifacts::build()?;
        for program in [&artifacts.ivringd, &artifacts.ivring, &artifacts.agent, &build_vm_config()?] {
            let name = program.file_name().expect("it has a name").to_string_lossy();
            self.libvirtd.copy(program, &format!("{folder}/programs/{name}"))?;
        }
        self.libvirtd.write("/run/inventory.ini", INVENTORY.as_bytes())?;
        self.shell("chmod 0644 /run/inventory.ini");
        self.libvirtd.write("/run/programs/systemctl", include_bytes!("systemctl.sh"))?;
        [("web1", "pc"), ("db1", "q35"), ("win1", "q35")]
            .into_iter()
            .try_for_each(|(name, machine)| self.define(name, machine))
    }

    fn define(&self, name: &str, machine: &str) -> Result<(), Error> {
        let xml = format!(
            "<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory>
             <os><type arch='x86_64' machine='{machine}'>hvm</type></os></domain>"
        );
        self.libvirtd.virsh(&["define", "/dev/stdin"], xml.as_bytes()).map(drop)
    }

    /// What libvirt keeps of a domain.
    fn xml(&self, domain: &str) -> String {
        let asked = self.libvirtd.virsh(&["dumpxml", "--inactive", "--security-info", domain], b"");
        asked.expect("it is there")
    }

    /// The watch runs, with the options that the role has for it.
    fn gives_a_later_domain_the_device(&self) {
        for name in ["win2", "late1"] {
            self.define(name, "pc").expect("libvirt takes it");
        }
        let deadline = Instant::now() + LIMIT;
        while !self.xml("late1").contains("<shmem name='fg_i3'>") {
            let log = self.shell("cat /var/log/ivring-vm-config-watch.log");
            assert!(Instant::now() < deadline, "not within {LIMIT:?}: {log}");
            thread::sleep(Duration::from_millis(100));
        }
        assert!(self.xml("late1").contains("<size unit='M'>1</size>"));
        assert!(!self.xml("win2").contains("<shmem"));
        for name in ["win2", "late1"] {
            self.libvirtd.virsh(&["undefine", name], b"").expect("it is removed");
        }
    }

    /// Runs a script, which must succeed; what it prints.
    fn shell(&self, script: &str) -> String {
        let output = self.libvirtd.run("sh", &["-exc", script], b"").expect("there is a shell");
        let said = [&*output.stdout, &*output.stderr].concat();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&said));
        String::from_utf8(output.stdout).expect("it is text")
    }

    /// Plays the role, which must succeed on both machines.
    fn play(&self, options: &str) -> Played {
        let script = format!(
            "cd {CHECKOUT}/docs/ansible
             export ANSIBLE_PIPELINING=1 ANSIBLE_NOCOLOR=1 LC_ALL=C.UTF-8
             ansible-playbook -i /run/inventory.ini site.yml {options}"
        );
        let said = self.shell(&script);
        let changed = |machine: &str| {
            let recap = said.lines().rev().find(|line| line.starts_with(machine));
            let count = recap.and_then(|line| line.split_once("changed=")?.1.split(' ').next()?.parse().ok());
            count.unwrap_or_else(|| panic!("nothing is told of {machine}: {said}"))
        };
        // Shown if the test fails.
        println!("{said}");
        Played { host: changed("host1"), guest: changed("guest1") }
    }

    /// What libvirt keeps of the domains that are there from the beginning.
    fn domains(&self) -> [String; 3] {
        ["web1", "db1", "win1"].map(|name| self.xml(name))
    }

    /// The files that the role puts somewhere, as far as they are there.
    fn installed(&self) -> String {
        self.shell(
            "ls -d /usr/local/bin/* /usr/local/lib/ivring /etc/ivring/* /etc/systemd/system/ivring* \
             /etc/sysusers.d/* /etc/tmpfiles.d/* /dev/shm/* 2>/dev/null || true",
        )
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

/// The files below `folder`; not links that lead nowhere.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("it can be read").map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.is_file())
        .collect()
}

#[test]
fn the_role_installs_repeats_and_removes() {
    let Some(machine) = Machine::new("the_role_installs_repeats_and_removes") else { return };
    let (domains, before) = (machine.domains(), machine.installed());

    let checked = machine.play("--check");
    assert!(checked.host > 5 && checked.guest > 0, "{checked:?}");
    assert_eq!(machine.installed(), before, "a check changes nothing");
    assert_eq!(machine.domains(), domains);

    let first = machine.play("");
    assert!(first.host > 5 && first.guest > 1, "{first:?}");
    let region = machine.shell("stat -c '%U:%G %a %s' /dev/shm/fg_i3");
    assert_eq!(region.trim(), "ivring:kvm 660 1048576");
    let listed = machine.shell("ivring ls --json || true");
    let listed: Value = serde_json::from_str(&listed).expect("ivringd answers");
    assert_eq!(listed["guests"].as_array().map(Vec::len), Some(0), "{listed}");
    let with_device = machine.domains().map(|xml| xml.contains("<shmem name='fg_i3'>"));
    assert_eq!(with_device, [true, true, false]);
    machine.gives_a_later_domain_the_device();
    assert!(machine.shell("id -nG alice").split_whitespace().any(|group| group == "ivring"));
    let agent: Value =
        serde_json::from_str(&machine.shell("ivring-agent status --json || true")).expect("it answers");
    assert_eq!(agent["name"], "a \"guest\"", "{agent}");
    let processes = machine.shell("cat /run/units/*.pid");

    let again = machine.play("");
    assert_eq!((again.host, again.guest), (0, 0), "a second run changes nothing");
    assert_eq!(machine.shell("cat /run/units/*.pid"), processes, "nor does it disturb a service");

    let gone = machine.play("-e ivring_state=absent");
    assert!(gone.host > 2 && gone.guest > 0, "{gone:?}");
    assert_eq!(machine.installed(), format!("{before}/dev/shm/fg_i3\n"), "but for the region");
    assert_eq!(machine.domains(), domains);
    assert_eq!(machine.shell("ls /run/units"), "", "no service runs or is enabled");
}
