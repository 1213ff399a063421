//! Ready messages, and the check of every one that arrives.
//!
//! A message is not written just before it is sent: the processor would have to forward the store to the copy, and every
//! peer would pay for that. Both sides make the same pool; messages are its entries in turn.

use crate::failure::Failure;

/// The pool's size in bytes, so that it stays in the first cache.
const POOL: usize = 16 * 1024;
/// At most so many ready messages.
const MOST: usize = 256;
/// At least so many.
const LEAST: usize = 4;
/// The first word of the message before the first that counts.
const BEGIN: u64 = u64::MAX - 1;
/// The first word of the message behind the last that counts.
const END: u64 = u64::MAX;
/// So many of the first messages are compared byte by byte, and later one in so many.
const WHOLE: u64 = 1024;
/// As many bytes at most: in a guest under emulation the comparison of long messages takes longer than their way.
const WHOLE_BYTES: u64 = 4 * 1024 * 1024;

/// Messages ready to be sent.
#[derive(Debug)]
pub(crate) struct Pool {
    bytes: Vec<u8>,
    length: usize,
    count: usize,
}

impl Pool {
    /// Messages of `length` bytes.
    ///
    /// # Panics
    ///
    /// When `length` is no multiple of 8, or 0.
    pub(crate) fn new(length: usize) -> Self {
        assert!(length > 0 && length.is_multiple_of(8), "messages of {length} bytes hold no whole words");
        let count = (POOL / length).clamp(LEAST, MOST);
        let firsts = (0..count as u64).chain([BEGIN, END]);
        let bytes =
            firsts.flat_map(|first| (0..length as u64 / 8).flat_map(move |word| word_of(first, word)));
        Self { bytes: bytes.collect(), length, count }
    }

    /// The entry at `index`.
    fn entry(&self, index: usize) -> &[u8] {
        &self.bytes[index * self.length..][..self.length]
    }

    /// Messages for a sender, from the first on.
    pub(crate) fn outbox(&self) -> Outbox<'_> {
        Outbox { pool: self, next: 0 }
    }

    /// The check of what a receiver gets, from the first message on.
    pub(crate) fn inbox(&self) -> Inbox<'_> {
        Inbox { pool: self, next: 0, number: 0 }
    }
}

/// A word of a message; its first is known by its place in the pool.
fn word_of(first: u64, word: u64) -> [u8; 8] {
    let value = if word == 0 { first } else { first.wrapping_add(word).wrapping_mul(0x9e37_79b9_7f4a_7c15) };
    value.to_le_bytes()
}

/// Hands out messages in their order.
#[derive(Debug)]
pub(crate) struct Outbox<'a> {
    pool: &'a Pool,
    next: usize,
}

impl<'a> Outbox<'a> {
    /// The next `count` messages.
    pub(crate) fn batch(&mut self, count: usize) -> Batch<'a> {
        let batch = Batch { pool: self.pool, next: self.next, end: self.pool.count, left: count };
        self.next = (self.next + count) % self.pool.count;
        batch
    }

    /// The next one alone.
    #[inline]
    pub(crate) fn next_message(&mut self) -> &'a [u8] {
        let entry = self.next;
        self.next = if entry + 1 == self.pool.count { 0 } else { entry + 1 };
        self.pool.entry(entry)
    }

    /// The message before the first that counts.
    pub(crate) fn begin(&self) -> Batch<'a> {
        self.only(self.pool.count)
    }

    /// The message behind the last that counts.
    pub(crate) fn end(&self) -> Batch<'a> {
        self.only(self.pool.count + 1)
    }

    fn only(&self, entry: usize) -> Batch<'a> {
        Batch { pool: self.pool, next: entry, end: entry + 1, left: 1 }
    }
}

/// Some messages of one length, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Batch<'a> {
    pool: &'a Pool,
    next: usize,
    end: usize,
    left: usize,
}

impl<'a> Iterator for Batch<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let entry = self.next;
        self.next = if entry + 1 == self.end { 0 } else { entry + 1 };
        Some(self.pool.entry(entry))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Batch<'_> {}

/// What a message that arrived is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    /// The next one.
    Message,
    /// From here on they count.
    Begin,
    /// There are no more.
    End,
}

/// Checks messages as they arrive.
#[derive(Debug)]
pub(crate) struct Inbox<'a> {
    pool: &'a Pool,
    next: usize,
    number: u64,
}

impl Inbox<'_> {
    /// Checks length, order, first and last word of a message; of some of them every byte.
    ///
    /// # Errors
    ///
    /// [`Failure::Wrong`].
    #[inline]
    pub(crate) fn check(&mut self, message: &[u8]) -> Result<Arrived, Failure> {
        let expected = self.pool.entry(self.next);
        let length = expected.len();
        // Words at the ends say which message it is, and that it is whole.
        let right = message.len() == length
            && message[..8] == expected[..8]
            && message[length - 8..] == expected[length - 8..];
        if !right {
            return self.special(message);
        }
        if (self.number < WHOLE.min(WHOLE_BYTES / length as u64) || self.number.is_multiple_of(WHOLE))
            && message != expected
        {
            return Err(self.wrong("its bytes were changed".to_owned()));
        }
        self.number += 1;
        self.next = if self.next + 1 == self.pool.count { 0 } else { self.next + 1 };
        Ok(Arrived::Message)
    }

    /// Messages that arrived, those that do not count included.
    pub(crate) fn count(&self) -> u64 {
        self.number
    }

    #[cold]
    fn special(&self, message: &[u8]) -> Result<Arrived, Failure> {
        if message == self.pool.entry(self.pool.count) {
            Ok(Arrived::Begin)
        } else if message == self.pool.entry(self.pool.count + 1) {
            Ok(Arrived::End)
        } else {
            let first = message.first_chunk().map(|first| u64::from_le_bytes(*first));
            Err(self.wrong(format!(
                "{} bytes beginning with {first:?}, not {} beginning with {}",
                message.len(),
                self.pool.length,
                self.next
            )))
        }
    }

    fn wrong(&self, what: String) -> Failure {
        Failure::Wrong { number: self.number, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_in_turn_passes() {
        let pool = Pool::new(64);
        let (mut outbox, mut inbox) = (pool.outbox(), pool.inbox());
        assert_eq!(inbox.check(outbox.begin().next().unwrap()).unwrap(), Arrived::Begin);
        for count in [1, 300, 7] {
            let batch = outbox.batch(count);
            assert_eq!(batch.len(), count);
            for message in batch {
                assert_eq!(inbox.check(message).unwrap(), Arrived::Message);
            }
        }
        assert_eq!(inbox.count(), 308);
        assert_eq!(inbox.check(outbox.end().next().unwrap()).unwrap(), Arrived::End);
    }

    #[test]
    fn loss_order_length_and_content_are_noticed() {
        let pool = Pool::new(1024);
        let [first, second] = [pool.entry(0), pool.entry(1)];
        assert!(pool.inbox().check(second).is_err(), "a message was lost");
        assert!(pool.inbox().check(&first[..1016]).is_err(), "it is too short");
        for at in [0, 500, 1023] {
            let mut changed = first.to_vec();
            changed[at] ^= 1;
            assert!(pool.inbox().check(&changed).is_err(), "byte {at} was changed");
        }
        let mut inbox = pool.inbox();
        inbox.check(first).unwrap();
        assert!(inbox.check(first).is_err(), "it came twice");
    }

    #[test]
    fn messages_differ() {
        for length in [8, 64, 65536] {
            let pool = Pool::new(length);
            let mut entries: Vec<_> = (0..pool.count + 2).map(|index| pool.entry(index)).collect();
            let count = entries.len();
            entries.sort_unstable();
            entries.dedup();
            assert_eq!(entries.len(), count);
        }
    }
}
