//! `Memory` for types that hold or point to another one.

/// Implements [`Memory`](super::Memory) by handing every call to the memory that the expression names.
macro_rules! forward_memory {
    (impl<$param:ident: $bound:ident> Memory for $type:ty: |$this:ident| $inner:expr) => {
        impl<$param: $bound> $crate::memory::Memory for $type {
            #[inline]
            fn size(&self) -> u64 {
                let $this = self;
                $inner.size()
            }

            #[inline]
            fn load(&self, at: u64) -> u64 {
                let $this = self;
                $inner.load(at)
            }

            #[inline]
            fn load_acquire(&self, at: u64) -> u64 {
                let $this = self;
                $inner.load_acquire(at)
            }

            #[inline]
            fn store(&self, at: u64, value: u64) {
                let $this = self;
                $inner.store(at, value);
            }

            #[inline]
            fn store_release(&self, at: u64, value: u64) {
                let $this = self;
                $inner.store_release(at, value);
            }

            #[inline]
            fn copy_in(&self, at: u64, from: &[u8]) {
                let $this = self;
                $inner.copy_in(at, from);
            }

            #[inline]
            fn copy_out(&self, at: u64, into: &mut [u8]) {
                let $this = self;
                $inner.copy_out(at, into);
            }

            #[inline]
            fn prefetch_write(&self, at: u64, length: usize) {
                let $this = self;
                $inner.prefetch_write(at, length);
            }

            #[inline]
            fn before_publish(&self) {
                let $this = self;
                $inner.before_publish();
            }

            #[inline]
            fn after_publish(&self) {
                let $this = self;
                $inner.after_publish();
            }

            #[inline]
            fn after_ready(&self) {
                let $this = self;
                $inner.after_ready();
            }

            #[inline]
            fn before_release(&self) {
                let $this = self;
                $inner.before_release();
            }

            #[inline]
            fn full(&self) {
                let $this = self;
                $inner.full();
            }
        }
    };
}

pub(super) use forward_memory;
