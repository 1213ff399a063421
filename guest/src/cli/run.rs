//! `ivring-agent run`.

use ivring_proto::console::Failure;

use super::Run;
use crate::Options;
use crate::agent::{Agent, AgentError, Config};

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        Failure::new(error.exit_code().into(), error.to_string())
    }
}

/// The file read when none is named.
pub(super) const USUAL_CONFIG: &str = "/etc/ivring/agent.toml";

/// Runs the agent until a signal comes.
pub(super) fn run(run: Run) -> Result<(), Failure> {
    if let Some(file) = run.config {
        tracing::info!("options were read from {}", file.display());
    }
    let options = Options {
        region: run.region,
        pci: run.pci,
        memory_type: run.memory_type,
        id: run.id,
        name: run.name,
        profile: run.profile,
        max_message: run.max_message,
        repeat_window: run.repeat_window,
        root: run.machine.root,
        ..Options::default()
    };
    Ok(Agent::start(Config { options, once: run.once, socket: run.socket.socket })?.run()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;
    use ivring_proto::console::parse_with_config_from;

    const SHIPPED: &str = include_str!("../../dist/agent.toml");

    #[test]
    fn the_example_of_a_configuration_names_every_option() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let parse = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            let cli: Cli =
                parse_with_config_from(vec!["ivring-agent".into(), "run".into()], file.path()).unwrap();
            cli
        };
        parse(SHIPPED);
        // Comments have a blank after their sign, keys have none.
        let keys: Vec<&str> = SHIPPED
            .lines()
            .filter_map(|line| {
                line.strip_prefix('#').filter(|rest| !rest.is_empty() && !rest.starts_with(' '))
            })
            .collect();
        for key in &keys {
            parse(key);
        }
        let mut program = Cli::command();
        program.build();
        let command = program.find_subcommand("run").unwrap();
        for option in command.get_arguments().filter_map(|option| option.get_long()) {
            let named = keys.iter().any(|key| key.starts_with(&format!("{option} = ")));
            assert_eq!(named, !matches!(option, "config" | "help" | "version"), "{option}");
        }
        assert!(SHIPPED.contains(USUAL_CONFIG));
    }
}
