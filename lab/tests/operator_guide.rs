//! The commands of the operator's guide, as they stand there, on a host that has three domains and nothing of ivring.

use ivring_lab::{
    Artifacts, Error, Image, StockHost, build_vm_config, libvirt_or_skip, or_skip, tools_or_skip,
};
use serde_json::Value;

const GUIDE: &str = include_str!("../../docs/operator-guide.md");
const WAYS: &str = include_str!("../../docs/agent-into-a-guest.md");

/// The first shell script of a page that holds `text`.
fn script<'a>(page: &'a str, text: &str) -> &'a str {
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split_once("```"));
    blocks.map(|(block, _)| block).find(|block| block.contains(text)).expect("the page has that script")
}

#[test]
fn five_commands_attach_three_guests() -> Result<(), Error> {
    const TEST: &str = "five_commands_attach_three_guests";
    let Some(tools) = tools_or_skip(TEST) else { return Ok(()) };
    let Some(()) = libvirt_or_skip(TEST) else { return Ok(()) };
    let artifacts = Artifacts::build()?;
    let Some(host) = or_skip(TEST, StockHost::set_up(&tools, Image::WithGuestAgent)) else { return Ok(()) };
    let libvirtd = &host.libvirtd;
    for program in [&artifacts.ivringd, &artifacts.ivring, &build_vm_config()?] {
        libvirtd.bring(program)?;
    }
    libvirtd.write("/run/programs/qga-install", script(WAYS, "# qga-install").as_bytes())?;
    // The guide says: where the agent is.
    libvirtd.copy(&artifacts.agent, "/run/ivring-agent")?;

    let preview = libvirtd.run("ivring-vm-config", &["apply", "--all", "--dry-run"], b"")?;
    let preview = String::from_utf8_lossy(&preview.stdout).into_owned();
    assert!(
        GUIDE.contains(&format!("```text\n{preview}```")),
        "the guide shows another table than\n{preview}"
    );

    let commands = script(GUIDE, "ivringd");
    assert_eq!(commands.lines().count(), 5, "{commands}");
    let output = libvirtd.run("sh", &["-exc", &format!("cd /run\n{commands}")], b"")?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}\n{}", host.story()?);

    let listed = libvirtd.run("ivring", &["ls", "--json"], b"")?.stdout;
    let listed: Value = serde_json::from_slice(&listed).expect("ls --json prints JSON");
    let guests = listed["guests"].as_array().expect("a list");
    let attached = guests.iter().filter(|guest| guest["state"] == "attached");
    let mut names: Vec<_> = attached.filter_map(|guest| guest["name"].as_str()).collect();
    names.sort_unstable();
    let mut domains = StockHost::DOMAINS;
    domains.sort_unstable();
    assert_eq!(names, domains);
    Ok(())
}
