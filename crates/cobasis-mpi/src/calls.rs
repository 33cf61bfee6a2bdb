//! MPI's functions, with the handles of either of the two families of libraries.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::{null, null_mut};

use crate::{MpiError, Spans};

/// `MPI_THREAD_FUNNELED`: threads compute, one of them sends. The same number in all libraries.
const FUNNELED: c_int = 1;
/// More than `MPI_MAX_ERROR_STRING` and `MPI_MAX_LIBRARY_VERSION_STRING` of any library (8192 in MPICH).
const TEXT: usize = 16384;

/// What this crate asks of MPI, whatever library it is.
pub(crate) trait Calls {
    fn init(&self) -> Result<(), MpiError>;
    fn rank(&self) -> Result<usize, MpiError>;
    fn size(&self) -> Result<usize, MpiError>;
    fn version(&self) -> String;
    /// Bytes of all processes into their spans of `into`.
    fn all_gather(&self, own: &[u8], into: &mut [u8], spans: &Spans) -> Result<(), MpiError>;
    /// The bytes in span `i` to process `i`, and those of process `i` into span `i`.
    fn all_to_all(
        &self,
        all: &[u8],
        given: &Spans,
        into: &mut [u8],
        taken: &Spans,
    ) -> Result<(), MpiError>;
    fn end(&self) -> Result<(), MpiError>;
    fn abort(&self, code: c_int);
}

/// The functions of a library whose handles are of type `H`: pointers in Open MPI, integers in MPICH.
pub(crate) struct Functions<H> {
    pub(crate) world: H,
    pub(crate) byte: H,
    pub(crate) errors_return: H,
    pub(crate) init_thread:
        unsafe extern "C" fn(*mut c_int, *mut *mut *mut c_char, c_int, *mut c_int) -> c_int,
    pub(crate) comm_set_errhandler: unsafe extern "C" fn(H, H) -> c_int,
    pub(crate) comm_rank: unsafe extern "C" fn(H, *mut c_int) -> c_int,
    pub(crate) comm_size: unsafe extern "C" fn(H, *mut c_int) -> c_int,
    pub(crate) get_library_version: unsafe extern "C" fn(*mut c_char, *mut c_int) -> c_int,
    pub(crate) error_string: unsafe extern "C" fn(c_int, *mut c_char, *mut c_int) -> c_int,
    pub(crate) allgatherv: unsafe extern "C" fn(
        *const c_void,
        c_int,
        H,
        *mut c_void,
        *const c_int,
        *const c_int,
        H,
        H,
    ) -> c_int,
    pub(crate) alltoallv: unsafe extern "C" fn(
        *const c_void,
        *const c_int,
        *const c_int,
        H,
        *mut c_void,
        *const c_int,
        *const c_int,
        H,
        H,
    ) -> c_int,
    pub(crate) abort: unsafe extern "C" fn(H, c_int) -> c_int,
    pub(crate) finalize: unsafe extern "C" fn() -> c_int,
}

impl<H> Functions<H> {
    /// An error for a code other than `MPI_SUCCESS`, which is 0 in all libraries.
    fn checked(&self, call: &'static str, code: c_int) -> Result<(), MpiError> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: the buffer is longer than any library's text.
        let text = text(|into, length| unsafe { (self.error_string)(code, into, length) });
        let problem = if text.is_empty() { format!("error {code}") } else { text };
        Err(MpiError::Call { call, problem })
    }
}

/// A text that MPI writes into a buffer; empty where it fails.
fn text(write: impl FnOnce(*mut c_char, *mut c_int) -> c_int) -> String {
    let mut buffer = vec![0u8; TEXT];
    let mut length = 0;
    let code = write(buffer.as_mut_ptr().cast(), &mut length);
    let length = usize::try_from(length).unwrap_or_default().min(TEXT);
    if code != 0 {
        return String::new();
    }
    String::from_utf8_lossy(&buffer[..length]).trim_matches(['\0', '\n', ' ']).to_owned()
}

impl<H: Copy> Calls for Functions<H> {
    fn init(&self) -> Result<(), MpiError> {
        let mut provided = 0;
        // SAFETY: MPI takes null for arguments that the program does not hand over.
        let code = unsafe { (self.init_thread)(null_mut(), null_mut(), FUNNELED, &mut provided) };
        self.checked("MPI_Init_thread", code)?;
        // SAFETY: handles of this library.
        let code = unsafe { (self.comm_set_errhandler)(self.world, self.errors_return) };
        self.checked("MPI_Comm_set_errhandler", code)
    }

    fn rank(&self) -> Result<usize, MpiError> {
        let mut rank = 0;
        // SAFETY: MPI writes an integer.
        let code = unsafe { (self.comm_rank)(self.world, &mut rank) };
        self.checked("MPI_Comm_rank", code)?;
        Ok(usize::try_from(rank).unwrap_or_default())
    }

    fn size(&self) -> Result<usize, MpiError> {
        let mut size = 1;
        // SAFETY: MPI writes an integer.
        let code = unsafe { (self.comm_size)(self.world, &mut size) };
        self.checked("MPI_Comm_size", code)?;
        Ok(usize::try_from(size).unwrap_or(1))
    }

    fn version(&self) -> String {
        // SAFETY: the buffer is longer than any library's text.
        text(|into, length| unsafe { (self.get_library_version)(into, length) })
    }

    fn all_gather(&self, own: &[u8], into: &mut [u8], spans: &Spans) -> Result<(), MpiError> {
        assert!(into.len() >= spans.end(), "room for all");
        let count =
            c_int::try_from(own.len()).map_err(|_| MpiError::TooLong { bytes: own.len() })?;
        // SAFETY: MPI reads `own` and writes the spans, which end within `into`.
        let code = unsafe {
            (self.allgatherv)(
                pointer(own),
                count,
                self.byte,
                pointer_mut(into),
                spans.counts.as_ptr(),
                spans.starts.as_ptr(),
                self.byte,
                self.world,
            )
        };
        self.checked("MPI_Allgatherv", code)
    }

    fn all_to_all(
        &self,
        all: &[u8],
        given: &Spans,
        into: &mut [u8],
        taken: &Spans,
    ) -> Result<(), MpiError> {
        assert!(all.len() >= given.end() && into.len() >= taken.end(), "room for all");
        // SAFETY: MPI reads the spans of `all` and writes those of `into`, which end within them.
        let code = unsafe {
            (self.alltoallv)(
                pointer(all),
                given.counts.as_ptr(),
                given.starts.as_ptr(),
                self.byte,
                pointer_mut(into),
                taken.counts.as_ptr(),
                taken.starts.as_ptr(),
                self.byte,
                self.world,
            )
        };
        self.checked("MPI_Alltoallv", code)
    }

    fn end(&self) -> Result<(), MpiError> {
        // SAFETY: nothing of MPI is called afterwards.
        let code = unsafe { (self.finalize)() };
        self.checked("MPI_Finalize", code)
    }

    fn abort(&self, code: c_int) {
        // SAFETY: a handle of this library.
        unsafe { (self.abort)(self.world, code) };
    }
}

/// Where MPI reads. Null for nothing: an empty slice of Rust's points to address 1, which is Open MPI's
/// `MPI_IN_PLACE`.
fn pointer(bytes: &[u8]) -> *const c_void {
    if bytes.is_empty() { null() } else { bytes.as_ptr().cast() }
}

/// Where MPI writes, in the same way.
fn pointer_mut(bytes: &mut [u8]) -> *mut c_void {
    if bytes.is_empty() { null_mut() } else { bytes.as_mut_ptr().cast() }
}
