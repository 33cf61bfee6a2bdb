//! The MPI library of the machine: which file it is, and what its handles look like.
//!
//! There are two families. In Open MPI a handle is a pointer to an object of the library; in MPICH and those that
//! keep to its binary interface (Intel MPI, MVAPICH, Cray MPICH) it is an integer that `mpi.h` fixes.

use std::env;
use std::ffi::{OsString, c_int, c_void};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

use crate::calls::{Calls, Functions};
use crate::{LIBRARY, MpiError};

/// The files of Open MPI, of versions 4 and 5, and of a development package.
const OPEN_MPI: [&str; 3] = ["libmpi.so.40", "libmpi.so", "libmpi.dylib"];
/// The files of MPICH and its relatives, and Debian's name of it.
const MPICH: [&str; 4] = ["libmpi.so.12", "libmpich.so.12", "libmpi_cray.so.12", "libmpi.12.dylib"];

/// `MPI_COMM_WORLD`, `MPI_BYTE` and `MPI_ERRORS_RETURN` of MPICH's binary interface.
const MPICH_HANDLES: [c_int; 3] = [0x4400_0000, 0x4c00_010d, 0x5400_0001];

/// The functions of the library that the environment names, or of the first that is found.
pub(crate) fn open() -> Result<Box<dyn Calls>, MpiError> {
    let refused = |problem: String| MpiError::Library { problem };
    let named = env::var_os(LIBRARY).filter(|name| !name.is_empty());
    // The launcher's own family first: the other's library would know nothing of the other processes.
    let of_open_mpi = env::var_os("OMPI_COMM_WORLD_SIZE").is_some();
    let files = if of_open_mpi { [&OPEN_MPI[..], &MPICH] } else { [&MPICH[..], &OPEN_MPI] };
    let files: Vec<OsString> = match named {
        Some(name) => vec![name],
        None => files.concat().into_iter().map(OsString::from).collect(),
    };
    let mut problem = None;
    for file in &files {
        // SAFETY: loading runs the library's own initialisers, which the user has asked for by calling MPI. Its
        // plugins look for its symbols, so they are global.
        match unsafe { Library::open(Some(file), RTLD_NOW | RTLD_GLOBAL) } {
            // It stays open for as long as the process lives: its functions are called until the end.
            Ok(library) => return functions(Box::leak(Box::new(library))).map_err(refused),
            Err(error) => {
                problem.get_or_insert(error.to_string());
            }
        }
    }
    let names: Vec<_> = files.iter().map(|file| file.to_string_lossy()).collect();
    let problem = problem.unwrap_or_default();
    Err(refused(format!("tried {} ({problem})", names.join(", "))))
}

/// The functions of an open library of either family.
fn functions(library: &'static Library) -> Result<Box<dyn Calls>, String> {
    // SAFETY: only the addresses of these are taken.
    let address = |name: &str| unsafe { symbol::<*mut c_void>(library, name) };
    match address("ompi_mpi_comm_world") {
        Ok(world) => {
            let byte = address("ompi_mpi_byte")?;
            let errors_return = address("ompi_mpi_errors_return")?;
            // SAFETY: handles of Open MPI are pointers.
            Ok(Box::new(unsafe { with_handles(library, [world, byte, errors_return]) }?))
        }
        // SAFETY: handles of MPICH's family are integers.
        Err(_) => Ok(Box::new(unsafe { with_handles(library, MPICH_HANDLES) }?)),
    }
}

/// # Safety
///
/// The library's handles must be of this type.
unsafe fn with_handles<H: Copy>(
    library: &'static Library,
    [world, byte, errors_return]: [H; 3],
) -> Result<Functions<H>, String> {
    // SAFETY: these are the types that the MPI standard gives the functions of these names, with the
    // caller's type for handles.
    unsafe {
        Ok(Functions {
            world,
            byte,
            errors_return,
            init_thread: symbol(library, "MPI_Init_thread")?,
            comm_set_errhandler: symbol(library, "MPI_Comm_set_errhandler")?,
            comm_rank: symbol(library, "MPI_Comm_rank")?,
            comm_size: symbol(library, "MPI_Comm_size")?,
            get_library_version: symbol(library, "MPI_Get_library_version")?,
            error_string: symbol(library, "MPI_Error_string")?,
            allgatherv: symbol(library, "MPI_Allgatherv")?,
            alltoallv: symbol(library, "MPI_Alltoallv")?,
            abort: symbol(library, "MPI_Abort")?,
            finalize: symbol(library, "MPI_Finalize")?,
        })
    }
}

/// # Safety
///
/// `T` must be the type of the symbol: that of a function's pointer, or a pointer for any other's address.
unsafe fn symbol<T: Copy>(library: &'static Library, name: &str) -> Result<T, String> {
    // SAFETY: the caller's.
    let symbol = unsafe { library.get::<T>(name.as_bytes()) };
    symbol.map(|symbol| *symbol).map_err(|error| format!("it lacks {name} ({error})"))
}
