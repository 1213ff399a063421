//! Domains, read and judged in portions.

use std::rc::Rc;

use ivring_vm_config::Request;
use ivring_vm_config::libvirt::{Connection, Judgement, LibvirtError, Listed, Wish};

use crate::targets::Place;

/// A domain with how it stands, or why that is not known.
pub type Judged<'a> = (&'a Listed, Result<Judgement, Rc<LibvirtError>>);

/// The domains of `place`, in their order, each judged as soon as its portion has been read. If the connection is lost, the
/// domains of the portion fail, not those before it.
pub fn judged<'a>(place: &'a Place, request: &'a Request, wish: Wish) -> impl Iterator<Item = Judged<'a>> {
    Connection::portions(&place.domains).flat_map(move |portion| {
        let judged: Vec<Judged<'a>> = match place.connection.documents(portion) {
            Ok(documents) => portion
                .iter()
                .zip(documents)
                .map(|(domain, documents)| {
                    let judgement = documents.map(|read| Judgement::new(domain, &read, request, wish));
                    (domain, judgement.map_err(Rc::new))
                })
                .collect(),
            Err(error) => {
                let error = Rc::new(error);
                portion.iter().map(|domain| (domain, Err(Rc::clone(&error)))).collect()
            }
        };
        judged
    })
}
