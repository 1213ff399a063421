//! Numbered messages both ways, each of them checked where it arrives.

use ivring_proto::control::{Client, Request, Target};

use super::heard::collect;
use super::peer::Peer;
use crate::Error;
use crate::daemon::failed;

/// How many go each way.
pub(super) const COUNT: usize = 20;
/// How long a message may wait for room, in milliseconds.
const WAIT_MS: u32 = 5_000;

/// Sends messages to the guest, and compares what is heard there.
pub(super) fn to_guest(
    daemon: &mut Client,
    target: &Target,
    name: &str,
    peer: &mut dyn Peer,
) -> Result<(), Error> {
    let topic = "demo.to-guest";
    let texts = numbered(&format!("the host greets {name}"));
    peer.listen(topic, COUNT)?;
    let request = Request::Send { target: target.clone(), topic: topic.to_owned(), wait_ms: WAIT_MS };
    for text in &texts {
        daemon.call(&request, text.as_bytes()).map_err(failed("send to the guest"))?;
    }
    compare(&texts, &peer.heard()?)
}

/// Has the guest send messages, and compares what is heard from it here. `daemon` is a connection of its own.
pub(super) fn from_guest(
    daemon: Client,
    target: &Target,
    name: &str,
    peer: &mut dyn Peer,
) -> Result<(), Error> {
    let topic = "demo.from-guest";
    let texts = numbered(&format!("{name} greets the host"));
    let listener = daemon.listen(target.clone(), Some(topic.to_owned()));
    let mut listener = listener.map_err(failed("listen to the guest"))?;
    peer.say(topic, &texts)?;
    let heard = collect(&mut listener, COUNT)?;
    let heard: Vec<_> = heard.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect();
    compare(&texts, &heard)
}

fn numbered(text: &str) -> Vec<String> {
    (1..=COUNT).map(|number| format!("{text}, {number} of {COUNT}")).collect()
}

fn compare(sent: &[String], heard: &[String]) -> Result<(), Error> {
    match sent.iter().zip(heard).position(|(sent, heard)| sent != heard) {
        Some(at) => Err(Error::Failed(format!("{:?} was sent and {:?} arrived", sent[at], heard[at]))),
        None if sent.len() != heard.len() => {
            Err(Error::Failed(format!("{} messages were sent and {} arrived", sent.len(), heard.len())))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_has_to_arrive_once_in_order() {
        let sent = numbered("hello");
        assert!(compare(&sent, &sent).is_ok());
        let mut swapped = sent.clone();
        swapped.swap(3, 4);
        assert!(compare(&sent, &swapped).is_err());
        assert!(compare(&sent, &sent[..COUNT - 1]).is_err());
        assert!(compare(&sent, &[&sent[..], &sent[..1]].concat()).is_err());
    }
}
