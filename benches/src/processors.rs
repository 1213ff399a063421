//! Which two processors are used.

use std::fs;

use rustix::thread::{CpuSet, sched_getaffinity};

use crate::failure::Failure;

/// The first two processors that this process may use and that are cores of their own; two threads of one core where
/// there are no others.
pub(crate) fn first_two() -> Result<[usize; 2], Failure> {
    let usable = usable()?;
    let first = usable.first().copied();
    let other = usable
        .iter()
        .find(|other| first.is_some_and(|first| first != **other && !share_a_core([first, **other])))
        .or_else(|| usable.get(1));
    match (first, other) {
        (Some(first), Some(other)) => Ok([first, *other]),
        _ => Err(Failure::Processors(usable.len())),
    }
}

/// Two processors that somebody chose, if they are two and usable.
pub(crate) fn chosen(processors: [usize; 2]) -> Result<[usize; 2], Failure> {
    let usable = usable()?;
    let [one, other] = processors;
    if one == other || !processors.iter().all(|number| usable.contains(number)) {
        return Err(Failure::Chosen { processors, usable });
    }
    Ok(processors)
}

/// Whether two processors are threads of one core, as far as the system says so.
pub(crate) fn share_a_core([one, other]: [usize; 2]) -> bool {
    let file = format!("/sys/devices/system/cpu/cpu{one}/topology/thread_siblings_list");
    fs::read_to_string(file).is_ok_and(|list| holds(list.trim(), other))
}

fn usable() -> Result<Vec<usize>, Failure> {
    let allowed = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number)).collect())
}

/// Whether a list like `0-3,8` holds a number.
fn holds(list: &str, number: usize) -> bool {
    list.split(',').any(|part| {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        matches!((low.parse(), high.parse()), (Ok(low), Ok(high)) if (low..=high).contains(&number))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors() {
        assert!(holds("0-3,8", 2) && holds("0-3,8", 8) && holds("5", 5));
        assert!(!holds("0-3,8", 4) && !holds("", 0) && !holds("x-3", 2));
    }

    #[test]
    fn only_two_that_can_be_used_are_taken() {
        if let Ok([one, other]) = first_two() {
            assert_ne!(one, other);
            assert_eq!(chosen([other, one]).unwrap(), [other, one]);
            assert!(chosen([one, one]).is_err());
        }
        assert!(chosen([0, 1_000_000]).is_err());
    }
}
