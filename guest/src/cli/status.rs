//! `ivring-agent status`.

use std::io::{self, Write};

use ivring_proto::control::{ClientError, Request};
use ivring_proto::session::printable;

use super::Socket;
use super::failure::Failure;
use crate::agent::{Host, State, Status};

/// Prints the state of the running agent.
pub(super) fn show(socket: &Socket, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let mut agent = match socket.connect() {
        // Asked for a status, that is an answer.
        Err(error @ ClientError::NobodyListens { .. }) => return Err(Failure::new(1, error.to_string())),
        other => other?,
    };
    let (response, _) = agent.call(&Request::Status, &[])?;
    let status: Status = response
        .payload()
        .map_err(|error| Failure::new(5, format!("the agent is of another version: {error}")))?;
    print(&status, json, out).map_err(Failure::output)?;
    match status.state {
        State::Attached => Ok(()),
        State::Waiting => Err(Failure::Negative),
    }
}

fn print(status: &Status, json: bool, out: &mut impl Write) -> io::Result<()> {
    if json {
        serde_json::to_writer_pretty(&mut *out, status)?;
        writeln!(out)?;
        return out.flush();
    }
    let Status { counters, .. } = status;
    match (&status.reason, status.channel) {
        (Some(reason), _) => writeln!(out, "state     waiting: {}", printable(reason))?,
        (None, Some(channel)) => writeln!(out, "state     attached, channel {channel}")?,
        (None, None) => writeln!(out, "state     attached")?,
    }
    if let Some(host) = status.host {
        let host = match host {
            Host::Alive => "alive",
            Host::Stale => "stale: its heartbeat has stopped",
            Host::Away => "away: it has ended, messages wait for its return",
        };
        writeln!(out, "host      {host}")?;
    }
    if let Some(region) = &status.region {
        let (name, place) = (printable(&region.name), printable(&region.place));
        writeln!(out, "region    {name} at {place}, {} bytes", region.bytes)?;
    }
    writeln!(out, "identity  {}:{} ({})", status.guest, status.port, printable(&status.name))?;
    writeln!(out, "sent      {} records, {} bytes", counters.sent, counters.sent_bytes)?;
    writeln!(
        out,
        "received  {} records, {} bytes, {} of them perhaps before; {} unheard",
        counters.received, counters.received_bytes, counters.redelivered, counters.unheard
    )?;
    writeln!(out, "agent     {}, process {}, up {} s", status.version, status.pid, status.uptime_seconds)?;
    out.flush()
}
