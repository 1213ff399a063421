//! What the project promises, tried with real guests, the real daemon and the real agent.
//!
//! A test's region, processes and guests are its own, so the tests run beside each other. The logs of each, the guests'
//! consoles among them, are kept below `lab/logs` of the target directory.

mod agent;
mod boot_order;
mod commands;
mod daemon;
mod doctor;
mod host_processes;
mod hot_plug;
mod joining;
mod killed;
mod killed_in_the_midst;
mod large;
mod many_programs;
mod memory_types;
mod place;
mod power;
mod regions;
mod requests;
mod restarts;
mod setup;
mod traffic;
mod unplugged;
mod witness;
