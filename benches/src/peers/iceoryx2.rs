//! iceoryx2: publish and subscribe of byte slices between two processes. Safe overflow is off and a full buffer is waited
//! for, else it would drop messages.

use std::{fs, os::unix::process::parent_id, path::PathBuf};

use iceoryx2::{
    config::Config,
    node::{Node, NodeBuilder},
    port::{publisher::Publisher, subscriber::Subscriber},
    prelude::{
        BackpressureStrategy, FileName, LogLevel, Path, SemanticString, SignalHandlingMode, ipc,
        set_log_level,
    },
};

use crate::{
    cord::Cord,
    failure::Failure,
    messages::Batch,
    patience::Patience,
    peer::{Apart, Receiver, Sender, Shape, Side},
};

type Service = ipc::Service;

/// A service a direction.
#[derive(Debug)]
pub(crate) struct Services;

impl Apart for Services {
    fn open(cord: &Cord, side: Side, shape: Shape) -> Result<(impl Sender, impl Receiver), Failure> {
        // One after the other: two that make the same service at a time get in each other's way.
        if side == Side::Partner {
            cord.meet()?;
        }
        set_log_level(LogLevel::Fatal);
        let node = NodeBuilder::new()
            .config(&config(parent_id())?)
            .signal_handling_mode(SignalHandlingMode::Disabled)
            .create::<Service>()
            .map_err(|error| refused(&error))?;
        let (sending, receiving) = match side {
            Side::Driver => ("to-partner", "to-driver"),
            Side::Partner => ("to-driver", "to-partner"),
        };
        let publisher = publisher(&node, sending, shape)?;
        let subscriber = subscriber(&node, receiving, shape)?;
        if side == Side::Driver {
            cord.meet()?;
        }
        let buffer = vec![0; shape.length];
        Ok((Publishing(publisher), Subscribing { subscriber, buffer, _node: node }))
    }
}

/// How the files of a comparison are named, and where those are that have a folder.
fn config(owner: u32) -> Result<Config, Failure> {
    let mut config = Config::default();
    let folder = folder(owner);
    let folder = Path::new(folder.as_os_str().as_encoded_bytes()).map_err(|error| refused(&error))?;
    config.global.prefix = FileName::new(prefix(owner).as_bytes()).map_err(|error| refused(&error))?;
    config.global.set_root_path(&folder);
    Ok(config)
}

fn prefix(owner: u32) -> String {
    format!("ivring-compare-{owner}-")
}

fn folder(owner: u32) -> PathBuf {
    std::env::temp_dir().join(prefix(owner))
}

/// Removes what the workers of `owner` left: all of it when they were ended, else empty folders.
pub(crate) fn tidy(owner: u32) {
    // What is not there needs no removing, and what cannot be removed hinders nobody.
    let _ = fs::remove_dir_all(folder(owner));
    for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(prefix(owner).as_bytes()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

type Factory = iceoryx2::service::port_factory::publish_subscribe::PortFactory<Service, [u8], ()>;

fn service(node: &Node<Service>, name: &str, shape: Shape) -> Result<Factory, Failure> {
    node.service_builder(&name.try_into().map_err(|error| refused(&error))?)
        .publish_subscribe::<[u8]>()
        .enable_safe_overflow(false)
        .subscriber_max_buffer_size(shape.capacity / shape.length)
        .subscriber_max_borrowed_samples(1)
        .history_size(0)
        .max_publishers(1)
        .max_subscribers(1)
        .open_or_create()
        .map_err(|error| refused(&error))
}

fn publisher(
    node: &Node<Service>,
    name: &str,
    shape: Shape,
) -> Result<Publisher<Service, [u8], ()>, Failure> {
    service(node, name, shape)?
        .publisher_builder()
        .initial_max_slice_len(shape.length)
        .max_loaned_samples(1)
        .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
        .create()
        .map_err(|error| refused(&error))
}

fn subscriber(
    node: &Node<Service>,
    name: &str,
    shape: Shape,
) -> Result<Subscriber<Service, [u8], ()>, Failure> {
    service(node, name, shape)?.subscriber_builder().create().map_err(|error| refused(&error))
}

struct Publishing(Publisher<Service, [u8], ()>);

impl Sender for Publishing {
    fn send(&mut self, batch: Batch<'_>) -> Result<(), Failure> {
        for message in batch {
            let mut waiting = Patience::default();
            loop {
                let sample = self.0.loan_slice_uninit(message.len()).map_err(|error| refused(&error))?;
                match sample.write_from_slice(message).send().map_err(|error| refused(&error))? {
                    // Nobody got it: it has not seen the other side yet.
                    0 => waiting.pause()?,
                    _ => break,
                }
            }
        }
        Ok(())
    }
}

struct Subscribing {
    subscriber: Subscriber<Service, [u8], ()>,
    buffer: Vec<u8>,
    _node: Node<Service>,
}

impl Receiver for Subscribing {
    fn receive(&mut self, take: &mut impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut waiting = Patience::default();
        let sample = loop {
            match self.subscriber.receive().map_err(|error| refused(&error))? {
                Some(sample) => break sample,
                None => waiting.pause()?,
            }
        };
        let payload = sample.payload();
        let Some(buffer) = self.buffer.get_mut(..payload.len()) else {
            return Err(refused(&format_args!("a message of {} bytes", payload.len())));
        };
        buffer.copy_from_slice(payload);
        drop(sample);
        take(buffer)
    }
}

fn refused(what: &dyn std::fmt::Debug) -> Failure {
    Failure::Peer { peer: "iceoryx2", what: format!("{what:?}") }
}
