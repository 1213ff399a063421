//! Tricky domains and what is right for each; the numbers are those of one list.

mod conflicts;
mod fixture;
mod hot_plug;
mod placement;
mod text;
