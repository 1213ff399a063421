//! The host side of ivring: owns a region and speaks with every guest in it.

mod byte_size;
pub mod cli;
pub mod daemon;
#[cfg(test)]
mod help_examples;
pub mod mappers;
pub mod region_file;
pub mod region_glob;
pub mod region_name;
mod seconds;
