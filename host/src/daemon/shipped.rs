//! Tests of the files in `dist/`: they agree with the program and with each other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser};
use ivring_proto::console::parse_with_config_from;
use ivring_proto::control::{Code, Service};

use super::options::{Options, USUAL_CONFIG};
use crate::region_name::region_path;

const UNIT: &str = include_str!("../../dist/ivringd.service");
const SYSUSERS: &str = include_str!("../../dist/ivringd.sysusers");
const TMPFILES: &str = include_str!("../../dist/ivringd.tmpfiles");
const CONFIG: &str = include_str!("../../dist/ivringd.toml");

/// What each section may say, of systemd.unit(5), systemd.service(5) and systemd.exec(5): what we do say. systemd itself
/// only warns of a key that it does not know, and goes on without it.
const UNIT_KEYS: &[&str] = &["Description", "Before", "StartLimitIntervalSec"];
const INSTALL_KEYS: &[&str] = &["WantedBy"];
const SERVICE_KEYS: &[&str] = &[
    "AmbientCapabilities",
    "CapabilityBoundingSet",
    "ExecStart",
    "Group",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "NoNewPrivileges",
    "NotifyAccess",
    "PrivateDevices",
    "PrivateNetwork",
    "PrivateTmp",
    "ProtectClock",
    "ProtectControlGroups",
    "ProtectHome",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "ProtectSystem",
    "RemoveIPC",
    "Restart",
    "RestartPreventExitStatus",
    "RestartSec",
    "RestrictAddressFamilies",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "RuntimeDirectory",
    "RuntimeDirectoryMode",
    "RuntimeDirectoryPreserve",
    "SupplementaryGroups",
    "SystemCallArchitectures",
    "SystemCallErrorNumber",
    "SystemCallFilter",
    "Type",
    "UMask",
    "User",
    "WatchdogSec",
];

/// The lines of a unit: section, key, value.
fn unit() -> Vec<(&'static str, &'static str, &'static str)> {
    let mut section = "";
    let mut lines = Vec::new();
    for line in UNIT.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
        } else {
            let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
            lines.push((section, key, value));
        }
    }
    lines
}

/// What the service says under this key.
fn service(key: &str) -> &'static str {
    let mut values = unit().into_iter().filter(|line| (line.0, line.1) == ("Service", key));
    let (_, _, value) = values.next().unwrap_or_else(|| panic!("no {key}="));
    value
}

#[test]
fn the_unit_says_only_what_systemd_knows() {
    for (section, key, value) in unit() {
        let known = match section {
            "Unit" => UNIT_KEYS,
            "Service" => SERVICE_KEYS,
            "Install" => INSTALL_KEYS,
            other => panic!("section {other}"),
        };
        assert!(known.contains(&key), "{key}= in [{section}]");
        assert!(!value.trim().is_empty(), "{key}=");
    }
}

#[test]
fn the_unit_starts_the_program_where_its_clients_look_for_it() {
    let mut words = service("ExecStart").split(' ');
    assert_eq!(words.next().and_then(|program| Path::new(program).file_name()).unwrap(), "ivringd");
    let options = Options::try_parse_from(std::iter::once("ivringd").chain(words)).unwrap();
    // Not the account's own, below $XDG_RUNTIME_DIR: every user looks for it here.
    let socket = options.socket.unwrap();
    assert_eq!(socket, Path::new("/run").join(Service::Daemon.to_string()).join("control.sock"));
    assert_eq!(socket.parent().unwrap(), Path::new("/run").join(service("RuntimeDirectory")));
    assert_eq!(service("RuntimeDirectoryPreserve"), "yes", "the tables of sessions are removed by a restart");
    // The rest is left to the configuration, which a command line would overrule.
    assert_eq!(options.config, None);
    assert_eq!(service("ExecStart").split(' ').count(), 3);
}

#[test]
fn the_unit_gives_up_only_on_what_does_not_change_by_itself() {
    let codes: Vec<u8> =
        service("RestartPreventExitStatus").split(' ').map(|code| code.parse().unwrap()).collect();
    assert_eq!(codes, [u8::from(Code::Usage), u8::from(Code::BadInput)]);
}

#[test]
fn the_unit_leaves_regions_alone_and_processes_in_sight() {
    assert_eq!(service("RemoveIPC"), "no");
    let keys: BTreeSet<&str> = unit().into_iter().map(|(_, key, _)| key).collect();
    for key in ["DynamicUser", "ProtectProc", "ProcSubset", "PrivateUsers", "PrivatePIDs", "PrivateIPC"] {
        assert!(!keys.contains(key), "{key}=");
    }
}

#[test]
fn account_group_and_region_are_the_same_in_all_files() {
    let (user, group) = (service("User"), service("SupplementaryGroups"));
    for line in [format!("g {group} - -"), format!("m {user} {group}")] {
        assert!(SYSUSERS.lines().any(|found| found == line), "{line}");
    }
    assert!(SYSUSERS.lines().any(|line| line.starts_with(&format!("u {user} - "))));
    let lines: Vec<&str> = TMPFILES.lines().filter(|line| !line.starts_with('#')).collect();
    let region = region_path(&Options::try_parse_from(["ivringd"]).unwrap().region[0]).unwrap();
    assert_eq!(lines, [format!("f {} 0660 {user} {group} - -", region.display())]);
}

#[test]
fn the_example_of_a_configuration_names_every_option() {
    // Comments have a blank after their sign, keys have none.
    let keys: String = CONFIG
        .lines()
        .filter_map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')))
        .map(|line| format!("{line}\n"))
        .collect();
    let command = Options::command();
    for option in command.get_arguments().filter_map(|option| option.get_long()) {
        let named = keys.lines().any(|line| line.starts_with(&format!("{option} = ")));
        assert_eq!(named, !["config", "reformat"].contains(&option), "{option}");
    }
    assert!(CONFIG.contains(USUAL_CONFIG));

    let folder = tempfile::tempdir().unwrap();
    let parse = |text: &str| {
        let path = folder.path().join("ivringd.toml");
        std::fs::write(&path, text).unwrap();
        parse_with_config_from::<Options>(vec!["ivringd".into()], &path).unwrap()
    };
    let as_shipped = parse(CONFIG);
    assert_eq!(as_shipped.region, Options::try_parse_from(["ivringd"]).unwrap().region);
    let uncommented = parse(&keys);
    assert_eq!(uncommented.region, ["fg_i3", "fg_i3-*"]);
    assert_eq!(uncommented.socket, Some(PathBuf::from("/run/ivringd/control.sock")));
}
