//! Domains, read and judged in portions.

use std::rc::Rc;

use ivring_vm_config::Request;
use ivring_vm_config::libvirt::{Connection, Documents, Judgement, LibvirtError, Listed, Wish};

use crate::targets::Place;

/// A domain with what is known of it, or why nothing is.
pub type Known<'a, T> = (&'a Listed, Result<T, Rc<LibvirtError>>);

/// A domain with how it stands, or why that is not known.
pub type Judged<'a> = Known<'a, Judgement>;

/// The documents of `domains`, in their order, each as soon as its portion has been read. If the connection is lost, the
/// domains of the portion fail, not those before it.
pub fn read<'a>(
    connection: &'a Connection,
    domains: &'a [Listed],
) -> impl Iterator<Item = Known<'a, Documents>> {
    Connection::portions(domains).flat_map(move |portion| {
        let read: Vec<Known<'a, Documents>> = match connection.documents(portion) {
            Ok(documents) => {
                let documents = documents.into_iter().map(|documents| documents.map_err(Rc::new));
                portion.iter().zip(documents).collect()
            }
            Err(error) => {
                let error = Rc::new(error);
                portion.iter().map(|domain| (domain, Err(Rc::clone(&error)))).collect()
            }
        };
        read
    })
}

/// The domains of `place`, read and judged.
pub fn judged<'a>(place: &'a Place, request: &'a Request, wish: Wish) -> impl Iterator<Item = Judged<'a>> {
    read(&place.connection, &place.domains).map(move |(domain, documents)| {
        (domain, documents.map(|documents| Judgement::new(domain, &documents, request, wish)))
    })
}
