//! A minimal pickler, which writes checkpoints for tests.

use flate2::Crc;

pub(in crate::files) fn text(text: &str) -> Vec<u8> {
    let length = text.len() as u32;
    [b"X", &length.to_le_bytes()[..], text.as_bytes()].concat()
}

pub(in crate::files) fn int(number: i32) -> Vec<u8> {
    [b"J", &number.to_le_bytes()[..]].concat()
}

pub(in crate::files) fn tuple(values: &[Vec<u8>]) -> Vec<u8> {
    [b"(", &values.concat()[..], b"t"].concat()
}

pub(in crate::files) fn dict(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entries = entries.iter().map(|(key, value)| [text(key), value.clone()].concat());
    [b"}(", &entries.collect::<Vec<_>>().concat()[..], b"u"].concat()
}

pub(in crate::files) fn pickle(value: &[u8]) -> Vec<u8> {
    [b"\x80\x02", value, b"."].concat()
}

/// A tensor in a storage of `numel` values; `kind` is `Float` or `Long`.
pub(in crate::files) fn tensor(
    kind: &str,
    key: &str,
    numel: i32,
    shape: &[i32],
    strides: &[i32],
) -> Vec<u8> {
    let class = format!("ctorch\n{kind}Storage\n").into_bytes();
    let storage = [text("storage"), class, text(key), text("cpu"), int(numel)];
    let numbers = |numbers: &[i32]| tuple(&numbers.iter().map(|n| int(*n)).collect::<Vec<_>>());
    let arguments = tuple(&[
        [&tuple(&storage)[..], b"Q"].concat(),
        int(0),
        numbers(shape),
        numbers(strides),
        b"\x89".to_vec(),
        b"ccollections\nOrderedDict\n)R".to_vec(),
    ]);
    [b"ctorch._utils\n_rebuild_tensor_v2\n", &arguments[..], b"R"].concat()
}

/// The old format: storages have a count and their bytes.
pub(in crate::files) fn legacy(checkpoint: &[u8], storages: &[(i64, Vec<u8>)]) -> Vec<u8> {
    let keys: Vec<u8> = (0..storages.len()).flat_map(|key| text(&key.to_string())).collect();
    let storages = storages.iter().map(|(numel, bytes)| [&numel.to_le_bytes()[..], bytes].concat());
    [
        b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec(),
        pickle(b"M\xe9\x03"),
        pickle(&dict(&[("little_endian", b"\x88".to_vec())])),
        checkpoint.to_vec(),
        pickle(&[b"](", &keys[..], b"e"].concat()),
        storages.collect::<Vec<_>>().concat(),
    ]
    .concat()
}

/// The archive of a file whose name at saving was this one.
pub(in crate::files) fn archive(stem: &str, checkpoint: &[u8], storages: &[Vec<u8>]) -> Vec<u8> {
    let mut entries = vec![
        (format!("{stem}/data.pkl"), checkpoint.to_vec()),
        (format!("{stem}/version"), b"3\n".to_vec()),
    ];
    let storages = storages.iter().enumerate();
    entries.extend(storages.map(|(key, bytes)| (format!("{stem}/data/{key}"), bytes.clone())));
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in &entries {
        let mut crc = Crc::new();
        crc.update(bytes);
        let (size, offset) = ((bytes.len() as u32).to_le_bytes(), archive.len() as u32);
        // Flags, method and time are zero: stored as it is.
        let common = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &crc.sum().to_le_bytes(),
            &size,
            &size,
            &(name.len() as u16).to_le_bytes(),
            &[0, 0],
        ]
        .concat();
        archive.extend([b"PK\x03\x04", &common[..], name.as_bytes(), bytes].concat());
        let place = [&[0; 10][..], &offset.to_le_bytes()].concat();
        directory.extend([b"PK\x01\x02\x14\x00", &common[..], &place, name.as_bytes()].concat());
    }
    let count = (entries.len() as u16).to_le_bytes();
    let [size, offset] =
        [directory.len(), archive.len()].map(|number| (number as u32).to_le_bytes());
    let end = [b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &offset, &[0, 0]].concat();
    [archive, directory, end].concat()
}
