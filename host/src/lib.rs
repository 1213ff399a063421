//! The host side of ivring: owns a region and speaks with every guest in it.

pub mod mappers;
pub mod region_file;
pub mod region_glob;
pub mod region_name;
