//! A message far longer than its ring, with its checksum.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Instant;

use ivring_proto::control::{Client, Request, Target};

use super::peer::Peer;
use crate::Error;
use crate::daemon::failed;

/// Its length, the longest that there is by default.
const BYTES: u32 = 64 << 20;
const TOPIC: &str = "demo.large";
/// How long it may wait for room, in milliseconds.
const WAIT_MS: u32 = 5_000;
/// Digits of the checksum that are shown.
const SHOWN: usize = 8;

/// Sends it to the guest and compares the checksum of what is heard there; returns what came of it in words. The time is
/// until the sender was told that the guest's agent has taken it.
pub(super) fn to_guest(daemon: &mut Client, target: &Target, peer: &mut dyn Peer) -> Result<String, Error> {
    let payload = random()?;
    let sum = checksum(&payload)?;
    peer.listen_for_one(TOPIC)?;
    let request = Request::Send { target: target.clone(), topic: TOPIC.to_owned(), wait_ms: WAIT_MS };
    let started = Instant::now();
    daemon.call(&request, &payload).map_err(failed("send to the guest"))?;
    let seconds = started.elapsed().as_secs_f64();
    let heard = peer.checksum()?;
    if heard != sum {
        return Err(Error::Failed(format!("the checksum was {sum}, and is {heard} in the guest")));
    }
    let rate = f64::from(BYTES) / seconds / 1e6;
    Ok(format!("{seconds:.2} s, {rate:.0} MB/s, SHA-256 {}... on both sides", &sum[..SHOWN]))
}

/// Bytes that are no others'.
fn random() -> Result<Vec<u8>, Error> {
    let (source, mut bytes) = ("/dev/urandom", Vec::new());
    let file = File::open(source).map_err(Error::io(source))?;
    file.take(BYTES.into()).read_to_end(&mut bytes).map_err(Error::io(source))?;
    Ok(bytes)
}

/// The SHA-256 of bytes, in hexadecimal.
pub(super) fn checksum(bytes: &[u8]) -> Result<String, Error> {
    let failed = || Error::io("sha256sum");
    let mut process =
        Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed())?;
    // It prints nothing before it has read everything; dropped, the pipe ends.
    process.stdin.take().map_or(Ok(()), |mut pipe| pipe.write_all(bytes)).map_err(failed())?;
    let output = process.wait_with_output().map_err(failed())?;
    first_word(&String::from_utf8_lossy(&output.stdout))
}

/// The checksum in a line of `sha256sum`.
pub(super) fn first_word(line: &str) -> Result<String, Error> {
    let word = line.split_whitespace().next().filter(|word| word.len() == 64);
    word.map(str::to_owned).ok_or_else(|| Error::Failed(format!("sha256sum prints {line:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_known_one() {
        let sum = checksum(b"abc").unwrap();
        assert_eq!(sum, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(first_word("sha256sum: no such file").is_err());
    }
}
