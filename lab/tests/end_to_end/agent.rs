//! The agent in a guest.

use ivring_lab::Guest;
use serde_json::Value;

use crate::setup::{LIMIT, output, wait_for};

/// What the agent in a guest says of itself; `None` if none answers.
pub fn status(guest: &mut Guest) -> Option<Value> {
    let answer = guest.run("ivring-agent status --json 2>/dev/null", LIMIT).expect("the guest answers");
    serde_json::from_str(&answer.output).ok()
}

/// Waits until the agent in a guest says something of itself.
pub fn wait_for_status(guest: &mut Guest, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    wait_for(&format!("the agent in {} {what}", guest.name()), || status(guest).filter(&is_so))
}

/// Waits until the agent in a guest is attached, and returns its channel.
pub fn wait_until_attached(guest: &mut Guest) -> u64 {
    let status = wait_for_status(guest, "attached", |status| status["state"] == "attached");
    status["channel"].as_u64().expect("an attached agent has a channel")
}

/// Waits until somebody listens to the agent in a guest.
pub fn wait_for_listener(guest: &mut Guest) {
    wait_for_status(guest, "has a listener", |status| status["clients"]["listeners"] == 1);
}

/// SIGKILL; it stays away until [`let_back`].
pub fn kill(guest: &mut Guest) {
    output(guest, "touch /run/hold; killall -9 ivring-agent; while pidof ivring-agent; do sleep 0.02; done");
}

/// Lets the agent start again.
pub fn let_back(guest: &mut Guest) {
    output(guest, "rm /run/hold");
}
