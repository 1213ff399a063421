//! `ivring-agent status`.

use ivring_proto::console::{Failure, Output};
use ivring_proto::control::{ClientError, Code, Request};
use ivring_proto::session::printable;

use crate::agent::{Counters, Host, State, Status};

/// Prints the state of the running agent.
pub(super) fn show(options: super::Status) -> Result<(), Failure> {
    let endpoint = options.socket.agent();
    let out = &mut Output::new(options.json);
    let mut agent = match endpoint.connect() {
        // Asked for a status, that is an answer.
        Err(error @ ClientError::NobodyListens { .. }) => {
            return Err(Failure::new(Code::Negative, error.to_string()));
        }
        other => other?,
    };
    let (response, _) = agent.call(&Request::Status, &[])?;
    let status: Status = endpoint.payload(&response)?;
    if out.json {
        out.json_indented(&status)?;
    } else {
        print(&status, out)?;
    }
    match status.state {
        State::Attached => Ok(()),
        State::Waiting => Err(Failure::Silent(Code::Negative)),
    }
}

fn print(status: &Status, out: &mut Output) -> Result<(), Failure> {
    out.line(match (&status.reason, status.channel) {
        (Some(reason), _) => format!("state     waiting: {}", printable(reason)),
        (None, Some(channel)) => format!("state     attached, channel {channel}"),
        (None, None) => "state     attached".to_owned(),
    })?;
    if let Some(host) = status.host {
        let host = match host {
            Host::Alive => "alive",
            Host::Stale => "stale: its heartbeat has stopped",
            Host::Away => "away: it has ended, messages wait for its return",
        };
        out.line(format_args!("host      {host}"))?;
    }
    if let Some(region) = &status.region {
        let (name, place) = (printable(&region.name), printable(&region.place));
        // It is nameless until its superblock could be read.
        if region.name.is_empty() {
            out.line(format_args!("region    at {place}, {} bytes", region.bytes))?;
        } else {
            out.line(format_args!("region    {name} at {place}, {} bytes", region.bytes))?;
        }
        out.line(format_args!("memory    {}", printable(&region.memory.text)))?;
        if let Some(remedy) = &region.memory.remedy {
            out.line(format_args!("          {}", printable(remedy)))?;
        }
    }
    out.line(format_args!("identity  {}:{} ({})", status.guest, status.port, printable(&status.name)))?;
    let Counters { passed, unheard, .. } = &status.counters;
    out.line(format_args!("sent      {} records, {} bytes", passed.sent, passed.sent_bytes))?;
    out.line(format_args!(
        "received  {} records, {} bytes, {} of them perhaps before; {unheard} unheard",
        passed.received, passed.received_bytes, passed.redelivered
    ))?;
    let Status { version, pid, uptime_seconds, .. } = status;
    out.line(format_args!("agent     {version}, process {pid}, up {uptime_seconds} s"))
}
