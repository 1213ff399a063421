//! Inputs to begin with: regions that are as they should be, and each word of one that is not.

use ivring_proto::layout::{
    Geometry, GeometryError, RegionState, Superblock, SuperblockError, superblock_word as word, write_state,
    write_superblock,
};

use super::run;
use crate::memory::Mapping;
use crate::seed::Seed;

/// A valid region of 2^`shift` bytes.
fn valid(shift: u8, channels: u8) -> Seed {
    Seed::default().bytes([shift, 0, channels, 0]).short(0)
}

/// With one word stored over it, a number below 256, before it is read.
fn with(at: u64, value: u8) -> Seed {
    let at = u16::try_from(at).expect("it is in the first page");
    valid(20, 3).bytes([1]).short(at).bytes([40, 4, value])
}

#[test]
fn valid_regions_are_joined() {
    for (shift, channels) in [(20, 1), (20, 3), (23, 15), (24, 255)] {
        let reached = run(&valid(shift, channels)
            .bytes([0, 5])
            .save("superblock", &format!("valid-{shift}-{channels}")));
        assert_eq!(reached.superblock.map(|found| found.geometry.channels()), Some(channels.into()));
        assert!(reached.stored > 0, "a guest asks to join");
    }
    assert!(run(&valid(40, 255).save("superblock", "largest")).superblock.is_some());
    assert_eq!(
        run(&Seed::default().bytes([20, 1]).save("superblock", "empty")).refused,
        Some(SuperblockError::Empty)
    );
}

#[test]
fn an_image_of_one_is_as_good() {
    let (size, length) = (1 << 20, 376_u16);
    let memory = Mapping::new(size);
    let geometry = Geometry::new(size, 3).expect("they fit");
    write_superblock(&memory, &Superblock::new(geometry, [7; 16], "image"));
    write_state(&memory, RegionState::Ready, "");
    let words = (0..u64::from(length)).step_by(8).map(|at| memory.look(at));
    let seed = words.fold(Seed::default().bytes([20, 1, 3]).short(length), Seed::word);
    let read = run(&seed.bytes([0, 5]).save("superblock", "image")).superblock;
    assert_eq!(read.map(|read| (read.geometry, read.owner)), Some((geometry, [7; 16])));
}

#[test]
fn every_word_is_judged() {
    let refused = |at, value| run(&with(at, value).save("superblock", &format!("word-{at}-{value}"))).refused;
    assert_eq!(refused(word::MAGIC, 9), Some(SuperblockError::Magic { magic: 9 }));
    assert_eq!(refused(word::STATE, 1), Some(SuperblockError::Init));
    assert_eq!(refused(word::STATE, 9), Some(SuperblockError::State { state: 9 }));
    assert!(matches!(refused(word::VERSIONS, 2), Some(SuperblockError::Version { .. })));
    assert_eq!(refused(word::FEATURES_REQUIRED, 4), Some(SuperblockError::Features { bits: 4 }));
    for at in [word::SIZE, word::CHANNELS, word::TO_HOST, word::TO_GUEST] {
        assert!(matches!(refused(at, 0), Some(SuperblockError::Geometry(_))), "the word at {at}");
    }
    for at in
        [word::STATUS, word::CELLS, word::DIRECTORY, word::HOST_CONTROL, word::GUEST_CONTROL, word::RINGS]
    {
        let error = refused(at, 8);
        assert!(
            matches!(error, Some(SuperblockError::Geometry(GeometryError::Misplaced { offset: 8, .. }))),
            "the word at {at}: {error:?}"
        );
    }
    let closing = run(&with(word::STATE, 3).save("superblock", "closing"));
    assert_eq!(closing.superblock.map(|found| found.state), Some(RegionState::Closing));
}

#[test]
fn a_word_changes_while_it_is_read() {
    let seed = valid(20, 3).bytes([1]).short(48).bytes([3, 4, 200]);
    assert!(run(&seed.save("superblock", "changed")).refused.is_some());
}
