//! Configuration files: the options of a program in TOML, by their long names.
//!
//! A file is turned into arguments, which are parsed together with those of the command line: so a key means just what
//! the option means, with the same checks.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, Parser};
use toml::{Table, Value};

use crate::control::Code;

/// The option that names the file.
const CONFIG: &str = "config";
/// Options that ask for something else than to run, or for something that is to be done once and not at each start.
const NOT_IN_FILES: [&str; 4] = [CONFIG, "help", "version", "reformat"];

/// Why there are no options.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The command line is wrong, or asked for help.
    #[error(transparent)]
    CommandLine(#[from] clap::Error),
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is no TOML.
    #[error("{}: {}", path.display(), source.to_string().trim_end())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What is wrong, and in which line.
        source: toml::de::Error,
    },
    /// A key is the long name of no option.
    #[error("{}: unknown key `{key}`; write one of {possible}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What was found.
        key: String,
        /// The keys there are.
        possible: String,
    },
    /// A value has another type than the option.
    #[error("{}: `{key}` must be {wanted}", path.display())]
    Type {
        /// The file.
        path: PathBuf,
        /// Which one.
        key: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// A value is none that the option takes.
    #[error("{}: {reason}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// What the command line's parser says of it.
        reason: String,
    },
}

impl ConfigError {
    /// The exit code that belongs to it.
    pub fn code(&self) -> Code {
        match self {
            ConfigError::CommandLine(_) => Code::Usage,
            ConfigError::Read { .. } => Code::Failure,
            ConfigError::Toml { .. }
            | ConfigError::Key { .. }
            | ConfigError::Type { .. }
            | ConfigError::Value { .. } => Code::BadInput,
        }
    }
}

/// Parses the command line of this process and the file that its option `--config` names, or `usual` if that is there;
/// `--config` is then the file that was read.
///
/// Ends the process, as [`Parser::parse`] does, when the command line is wrong or asks for help; and with a message and
/// the code of [`ConfigError::code`] when it is the file.
pub fn parse_with_config<P: Parser>(usual: &Path) -> P {
    let error = match parse_with_config_from(std::env::args_os().collect(), usual) {
        Ok(options) => return options,
        Err(ConfigError::CommandLine(error)) => error.exit(),
        Err(error) => error,
    };
    // Printed as what is wrong with a command line. Who cannot be told still gets the code.
    let _ = clap::Error::raw(ErrorKind::InvalidValue, format!("{error}\n")).print();
    std::process::exit(u8::from(error.code()).into())
}

/// Parses these arguments, the program's name first, and the file that their option `--config` names, or `usual` if
/// that is there. Commands without that option have no file.
///
/// An option of the command line replaces all that the file says of it, and those options in the file that it excludes.
///
/// # Errors
/// [`ConfigError`]; each but the first names the file.
pub fn parse_with_config_from<P: Parser>(
    mut arguments: Vec<OsString>,
    usual: &Path,
) -> Result<P, ConfigError> {
    let given = P::command().try_get_matches_from(&arguments)?;
    let mut program = P::command();
    // Now a subcommand also has the options that are valid everywhere.
    program.build();
    let (command, matches, at) = match given.subcommand() {
        None => (&program, &given, 1),
        Some((name, matches)) => {
            let at = arguments.iter().position(|argument| argument == name).map_or(1, |found| found + 1);
            (program.find_subcommand(name).unwrap_or(&program), matches, at)
        }
    };
    // Not asked of the matches: those of an optimised build take every name for that of an option.
    let has_file = command.get_arguments().any(|option| option.get_id() == CONFIG);
    let Some((path, text)) = has_file.then(|| read(matches, usual)).transpose()?.flatten() else {
        return Ok(P::from_arg_matches(&given)?);
    };
    let table = text.parse().map_err(|source| ConfigError::Toml { path: path.clone(), source })?;
    let mut more = from_file(command, matches, &table, &path)?;
    if !is_given(matches, CONFIG) {
        let mut config = OsString::from(format!("--{CONFIG}="));
        config.push(&path);
        more.push(config);
    }
    arguments.splice(at..at, more);
    // The command line was right without the file.
    P::try_parse_from(arguments)
        .map_err(|error| ConfigError::Value { path: path.clone(), reason: in_one_line(&error) })
}

/// Whether an option stands on the command line.
fn is_given(matches: &ArgMatches, option: &str) -> bool {
    matches.value_source(option) == Some(ValueSource::CommandLine)
}

/// The file to take and its text; of a command that has the option.
fn read(matches: &ArgMatches, usual: &Path) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let named = matches.get_one::<PathBuf>(CONFIG);
    let path = named.map_or(usual, PathBuf::as_path);
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some((path.to_owned(), text))),
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ConfigError::Read { path: path.to_owned(), source }),
    }
}

/// The arguments that a file stands for, without those that the command line replaces.
fn from_file(
    command: &Command,
    matches: &ArgMatches,
    table: &Table,
    path: &Path,
) -> Result<Vec<OsString>, ConfigError> {
    let options = || {
        command
            .get_arguments()
            .filter_map(|option| Some((option.get_long()?, option)))
            .filter(|(name, _)| !NOT_IN_FILES.contains(name))
    };
    let given: Vec<&Arg> =
        command.get_arguments().filter(|option| is_given(matches, option.get_id().as_str())).collect();
    let mut arguments = Vec::new();
    for (key, value) in table {
        let Some((_, option)) = options().find(|(name, _)| name == key) else {
            let possible: Vec<&str> = options().map(|(name, _)| name).collect();
            return Err(ConfigError::Key {
                path: path.to_owned(),
                key: key.clone(),
                possible: possible.join(", "),
            });
        };
        let words = words(key, option.get_action(), value).map_err(|wanted| ConfigError::Type {
            path: path.to_owned(),
            key: key.clone(),
            wanted,
        })?;
        // Each of two options may name the other as the one it excludes.
        let is_replaced = given.iter().any(|given| {
            given.get_id() == option.get_id()
                || command.get_arg_conflicts_with(given).contains(&option)
                || command.get_arg_conflicts_with(option).contains(given)
        });
        if !is_replaced {
            arguments.extend(words.into_iter().map(OsString::from));
        }
    }
    Ok(arguments)
}

/// A key and its value as they would stand on a command line, or what the value must be.
fn words(key: &str, action: &ArgAction, value: &Value) -> Result<Vec<String>, &'static str> {
    let option = |value| Some(format!("--{key}={}", scalar(value)?));
    match (action, value) {
        (ArgAction::SetTrue, Value::Boolean(set)) => Ok(vec![format!("--{key}"); usize::from(*set)]),
        (ArgAction::SetTrue, _) => Err("true or false"),
        (ArgAction::Count, Value::Integer(count)) => match u8::try_from(*count) {
            Ok(count) => Ok(vec![format!("--{key}"); usize::from(count)]),
            Err(_) => Err("a number from 0 to 255"),
        },
        (ArgAction::Count, _) => Err("a number from 0 to 255"),
        (ArgAction::Append, Value::Array(values)) if !values.is_empty() => {
            values.iter().map(option).collect::<Option<_>>().ok_or("a list of texts or numbers")
        }
        (ArgAction::Append, Value::Array(_)) => Err("a list with something in it; else leave the key out"),
        (_, value) => option(value).map(|word| vec![word]).ok_or("a text or a number"),
    }
}

/// A single text or number.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

/// What a parser says, without its advice on command lines.
fn in_one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let lines: Vec<&str> = text.split("\n\n").next().unwrap_or_default().lines().map(str::trim).collect();
    lines.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Subcommand;

    #[derive(Debug, Parser, PartialEq)]
    struct Program {
        #[arg(short, long, global = true, action = ArgAction::Count)]
        verbose: u8,

        #[command(subcommand)]
        action: Action,
    }

    #[derive(Debug, Subcommand, PartialEq)]
    enum Action {
        Run {
            #[arg(long)]
            config: Option<PathBuf>,
            #[arg(long, default_value = "usual")]
            region: Vec<String>,
            #[arg(long)]
            pci: Option<String>,
            #[arg(long, conflicts_with = "pci")]
            no_pci: bool,
            #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
            max_size: Option<u16>,
            #[arg(long, value_parser = ["low", "high"])]
            level: Option<String>,
        },
        Other {
            #[arg(long)]
            region: Option<String>,
        },
    }

    /// What a command line comes to beside a file that the program finds by itself.
    fn parsed(command_line: &str, file: &str) -> Result<Program, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("usual.toml");
        fs::write(&path, file).unwrap();
        let mut program: Program = parse_with_config_from(words_of(command_line), &path)?;
        if let Action::Run { config, .. } = &mut program.action {
            assert_eq!(config.take(), Some(path));
        }
        Ok(program)
    }

    fn words_of(command_line: &str) -> Vec<OsString> {
        command_line.split(' ').map(OsString::from).collect()
    }

    /// What is the same without a file.
    fn plain(command_line: &str) -> Program {
        Program::try_parse_from(words_of(command_line)).unwrap()
    }

    #[test]
    fn every_key_stands_for_its_option() {
        let file = "region = ['a', 'b-*']\nmax-size = 8\npci = '00:1f.0'\nverbose = 2\nlevel = 'high'";
        assert_eq!(
            parsed("p run", file).unwrap(),
            plain("p -vv run --region a --region b-* --max-size 8 --pci 00:1f.0 --level high")
        );
        assert_eq!(parsed("p run", "region = '-a=b c'\nno-pci = true").unwrap().action, {
            let Action::Run { config, pci, max_size, level, .. } = plain("p run").action else { panic!() };
            Action::Run { config, region: vec!["-a=b c".into()], pci, no_pci: true, max_size, level }
        });
        assert_eq!(parsed("p run", "no-pci = false\nverbose = 0").unwrap(), plain("p run"));
        assert_eq!(parsed("p run", "").unwrap(), plain("p run"));
    }

    #[test]
    fn the_command_line_wins() {
        let file = "region = ['a', 'b']\nmax-size = 8\nverbose = 2";
        assert_eq!(parsed("p run --region c", file).unwrap(), plain("p -vv run --region c --max-size 8"));
        assert_eq!(
            parsed("p -v run --max-size=9", file).unwrap(),
            plain("p -v run --region a --region b --max-size 9")
        );
        assert_eq!(parsed("p run --no-pci", "pci = '1'").unwrap(), plain("p run --no-pci"));
        assert_eq!(parsed("p run --pci 2", "no-pci = true").unwrap(), plain("p run --pci 2"));
        assert_eq!(parsed("p run --", "pci = '1'").unwrap(), plain("p run --pci 1"));
    }

    #[test]
    fn other_commands_and_missing_files_are_left_alone() {
        assert_eq!(parsed("p other --region x", "no TOML").unwrap(), plain("p other --region x"));
        let none = parse_with_config_from::<Program>(words_of("p run"), Path::new("/nonexistent/x")).unwrap();
        assert_eq!(none, plain("p run"));
        let error =
            parse_with_config_from::<Program>(words_of("p run --config /nonexistent/y"), Path::new("/"))
                .unwrap_err();
        assert!(error.to_string().starts_with("cannot read /nonexistent/y: "), "{error}");
        assert_eq!(error.code(), Code::Failure);
    }

    #[test]
    fn a_file_that_is_named_is_read_instead_of_the_usual() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "max-size = 3").unwrap();
        let words = words_of(&format!("p run --config {}", file.path().display()));
        let program: Program = parse_with_config_from(words, Path::new("/")).unwrap();
        let Action::Run { config, max_size, .. } = program.action else { panic!("not what was asked for") };
        assert_eq!((config.as_deref(), max_size), (Some(file.path()), Some(3)));
    }

    #[test]
    fn what_is_wrong_in_a_file_is_told_with_its_name() {
        for (file, words) in [
            ("sise = 8", "unknown key `sise`; write one of region, pci, no-pci, max-size, level, verbose"),
            ("config = 'x'", "unknown key `config`"),
            ("help = true", "unknown key `help`"),
            ("run = 1", "unknown key `run`"),
            ("max_size = 8", "unknown key `max_size`"),
            ("[run]\nregion = 'a'", "unknown key `run`"),
            ("region = []", "`region` must be a list with something in it; else leave the key out"),
            ("region = [true]", "`region` must be a list of texts or numbers"),
            ("region = {}", "`region` must be a text or a number"),
            ("pci = ['a', 'b']", "`pci` must be a text or a number"),
            ("pci = true", "`pci` must be a text or a number"),
            ("no-pci = 1", "`no-pci` must be true or false"),
            ("verbose = true", "`verbose` must be a number from 0 to 255"),
            ("verbose = 256", "`verbose` must be a number from 0 to 255"),
            ("max-size = 0", "invalid value '0' for '--max-size <MAX_SIZE>': 0 is not in 1..=65535"),
            ("level = 'up'", "invalid value 'up' for '--level <LEVEL>' [possible values: low, high]"),
            ("pci = '1'\nno-pci = true", "cannot be used with"),
            ("\nregion", "line 2"),
            ("pci = '1'\npci = '2'", "duplicate key"),
        ] {
            let error = parsed("p run", file).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("usual.toml: ") && text.contains(words), "{file}: {text}");
            assert_eq!(error.code(), Code::BadInput, "{file}");
        }
        // What the command line replaces must be right nevertheless.
        parsed("p run --pci 1", "pci = true").unwrap_err();
        assert!(matches!(parsed("p run --wrong", ""), Err(ConfigError::CommandLine(_))));
    }
}
