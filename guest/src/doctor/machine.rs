//! Who this machine is, what starts its agent, and how many agents it runs.

use std::fs;
use std::path::Path;

use ivring_proto::check::{Chain, Line};
use ivring_proto::console::Failure;

use super::session::Answer;
use crate::install::{Service, service};
use crate::machine::{IdentifyError, Machine, Source};
use crate::small_file;

/// Looks at the machine, `machine` by its files unless the agent says who it is.
pub(super) fn look(
    chain: &mut Chain<'_, '_>,
    root: &Path,
    machine: Option<Result<Machine, IdentifyError>>,
    answer: &Answer,
) -> Result<(), Failure> {
    chain.tell(identity(machine, answer))?;
    chain.tell(starts(root))?;
    chain.tell(alone(root, answer.pid()))
}

fn identity(machine: Option<Result<Machine, IdentifyError>>, answer: &Answer) -> Line {
    const CHECK: &str = "identity";
    let by_hand = "ivring-agent run --id \"$(uuidgen)\", or `id = \"UUID\"` in /etc/ivring/agent.toml";
    let Machine { uuid, source, .. } = match (machine, answer.identity()) {
        (Some(Ok(machine)), _) => machine,
        (Some(Err(error)), _) => return Line::failed(CHECK, error.to_string(), by_hand),
        (None, Some(uuid)) => return Line::ok(CHECK, format!("VM {uuid}, as the agent says")),
        (None, None) => {
            return Line::unknown(CHECK, "the agent does not say who it is", "ivring-agent status");
        }
    };
    match source {
        Source::Given => Line::ok(CHECK, format!("VM {uuid}, as given")),
        Source::Smbios => Line::ok(CHECK, format!("VM {uuid}, by its SMBIOS")),
        Source::MachineId if !nix::unistd::geteuid().is_root() => {
            Line::unknown(CHECK, "the UUID in SMBIOS is for root to read", "sudo ivring-agent doctor")
        }
        Source::MachineId => {
            let says = format!(
                "VM {uuid}, by /etc/machine-id, for SMBIOS has none: clones of this disk have the same, and one of them joins"
            );
            Line::pending(CHECK, says, by_hand)
        }
    }
}

fn starts(root: &Path) -> Line {
    const CHECK: &str = "service";
    match service(root) {
        Service::Starts(file) => Line::ok(CHECK, format!("{} starts the agent at boot", file.display())),
        Service::Disabled(file) => {
            let says = format!("{} is there, and does not start at boot", file.display());
            Line::pending(CHECK, says, "systemctl enable ivring-agent")
        }
        Service::None => Line::pending(CHECK, "nothing starts the agent at boot", "ivring-agent install"),
    }
}

/// Agents that share an identity are served one at a time: the newest.
fn alone(root: &Path, served: Option<u32>) -> Line {
    const CHECK: &str = "one-agent";
    let agents = agents(root);
    match &agents[..] {
        [] => Line::ok(CHECK, "no process is an agent"),
        [agent] => Line::ok(CHECK, format!("process {agent} is the only agent")),
        _ => {
            let list = |agents: &[u32]| agents.iter().map(u32::to_string).collect::<Vec<_>>();
            let says =
                format!("processes {} are agents: only the newest is served", list(&agents).join(", "));
            let others: Vec<u32> = agents.iter().copied().filter(|agent| Some(*agent) != served).collect();
            let surplus = if others.len() == agents.len() { &others[1..] } else { &others[..] };
            Line::failed(CHECK, says, format!("kill {}", list(surplus).join(" ")))
        }
    }
}

/// The processes that run the agent as this machine itself, in the order of their ids.
fn agents(root: &Path) -> Vec<u32> {
    let Ok(processes) = fs::read_dir(root.join("proc")) else { return Vec::new() };
    let mut agents: Vec<u32> = processes
        .filter_map(|process| {
            let process = process.ok()?;
            let id = process.file_name().to_str()?.parse().ok()?;
            is_agent(&small_file::read(&process.path().join("cmdline")).ok()?).then_some(id)
        })
        .collect();
    agents.sort_unstable();
    agents
}

/// Whether a command line, words apart by zeros as in proc_pid_cmdline(5), is the agent's, under no other name than this
/// machine's.
fn is_agent(line: &str) -> bool {
    let mut words = line.split('\0');
    let program = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    program.rsplit('/').next() == Some("ivring-agent")
        && rest.contains(&"run")
        && !rest.iter().any(|word| word.starts_with("--id") || word.starts_with("--region"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_agents_of_the_machine_itself_count() {
        for (line, expected) in [
            ("/usr/local/bin/ivring-agent\0run\0", true),
            ("ivring-agent\0-v\0run\0--profile\0power", true),
            ("ivring-agent\0run\0--id\0a7c1f2e6-0000-4000-8000-000000000001", false),
            ("ivring-agent\0run\0--region=/dev/shm/x", false),
            ("ivring-agent\0status", false),
            ("/bin/sh\0-c\0ivring-agent run", false),
            ("", false),
        ] {
            assert_eq!(is_agent(line), expected, "{line:?}");
        }
    }
}
