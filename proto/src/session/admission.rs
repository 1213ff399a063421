//! What a host decides about a request to join.

use super::{Channel, JoinRequest, Phase, Refusal, Uuid};
use crate::layout::VersionRange;

/// What the host decides about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The session exists already, on this channel.
    Same(usize),
    /// Give it this free channel.
    Fresh(usize),
    /// The identity's own channel, whose session is over or is replaced: offer it anew.
    Again(usize),
    /// The identity's own channel, whose session is of another boot and may be alive: ask it first.
    Challenge(usize),
    /// A decision about this channel is pending.
    Pending,
    /// Say no.
    Refuse(Refusal),
}

impl Admission {
    /// Decides about `request`. Changes nothing.
    ///
    /// `owner` is the only VM that may join, if there is one. `channels` are all channels in order.
    pub fn decide<'a>(
        request: &JoinRequest,
        owner: Option<Uuid>,
        features: u64,
        channels: impl Iterator<Item = &'a Channel>,
    ) -> Self {
        if owner.is_some_and(|owner| owner != request.identity.uuid) {
            return Admission::Refuse(Refusal::NotOwner);
        }
        if VersionRange::SUPPORTED.common(request.versions).is_none() {
            return Admission::Refuse(Refusal::Version { host: VersionRange::SUPPORTED });
        }
        if request.features_required & !features != 0 {
            return Admission::Refuse(Refusal::Features { bits: request.features_required & !features });
        }
        let mut free = None;
        let mut count = 0;
        for (index, channel) in channels.enumerate() {
            count += 1;
            match channel.binding() {
                Some(binding) if binding.identity == request.identity => {
                    return if channel.is_challenged() {
                        Admission::Pending
                    } else if binding.nonce == request.nonce && !matches!(channel.phase(), Phase::Closed(_)) {
                        Admission::Same(index)
                    } else if channel.phase() == Phase::Attached && binding.boot != request.boot {
                        Admission::Challenge(index)
                    } else {
                        Admission::Again(index)
                    };
                }
                Some(_) => {}
                None => free = free.or(Some(index)),
            }
        }
        match free {
            Some(index) => Admission::Fresh(index),
            None => Admission::Refuse(Refusal::Full { channels: count }),
        }
    }
}
