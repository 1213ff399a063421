//! Words of a control block (§2.7), the guest's or the host's: what is tried with each.

use ivring_lab::malicious_peer::Word;
use ivring_proto::layout::entry_word;
use ivring_proto::session::CloseReason;

use crate::clockwork::Clockwork;

/// What is tried with a word, each in turn, in sessions that heal in between. `words` are the word in the one guest's block, and
/// the same of its neighbour.
pub fn lies(words: impl Fn(&Clockwork) -> [Word; 2], check: impl Fn(&mut Clockwork, &str, u64)) {
    let mut clockwork = Clockwork::new(3);
    let mut earlier = words(&clockwork)[0].get();
    clockwork.peer.entry(clockwork.guest.channel(), entry_word::STATE).set(0);
    clockwork.guest_is_detached("evicted", CloseReason::Evicted);
    for index in 0.. {
        let [own, anothers] = words(&clockwork);
        let now = own.get();
        let Some(lie) = own.lies(earlier, anothers.get()).get(index).copied() else { break };
        own.set(lie.value);
        check(&mut clockwork, lie.what, lie.value);
        earlier = now;
    }
    clockwork.finish();
}
