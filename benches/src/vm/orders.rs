//! What the program in the guest is told.

use serde::{Deserialize, Serialize};

use super::{transport::Transport, way::Way};
use crate::course::Course;

/// What there is to do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Task {
    /// The guest's part in a measurement.
    Measure(Orders),
    /// How much longer a sleep takes than it was asked to.
    Oversleep {
        /// Its length in microseconds.
        us: u64,
    },
    /// Do nothing but sleep again and again, until ended by a signal.
    Sleep {
        /// How long each time, in microseconds.
        us: u64,
    },
}

/// One measurement, and how the guest reaches the host.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Orders {
    /// Who is measured.
    pub(crate) transport: Transport,
    /// In which direction.
    pub(crate) way: Way,
    /// How long before it counts, in microseconds.
    pub(crate) warm_up_us: u64,
    /// How long it counts, in microseconds.
    pub(crate) measured_us: u64,
    /// Port of the host where a TCP connection is taken.
    pub(crate) tcp_port: u16,
}

impl Orders {
    /// What both ends do.
    pub(crate) fn course(&self) -> Course {
        Course { test: self.way.test, warm_up_us: self.warm_up_us, measured_us: self.measured_us }
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> String {
        format!("{}, {} bytes {}", self.transport.label(), self.way.test.length(), self.way.label())
    }
}
