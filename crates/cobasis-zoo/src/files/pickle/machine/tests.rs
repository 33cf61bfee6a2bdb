use super::*;

/// Takes apart a pickle of the given parts, each repeated.
fn read(parts: &[(&[u8], usize)]) -> std::result::Result<(Tree, Value), String> {
    let mut pickle: Vec<u8> =
        parts.iter().flat_map(|(bytes, count)| bytes.repeat(*count)).collect();
    pickle.push(b'.');
    let mut machine = Machine::new(pickle.as_slice());
    let value = machine.pickle().map_err(|problem| problem.to_string())?;
    Ok((machine.into_parts().1, value))
}

/// Checks that a pickle is refused for a reason.
fn refused(parts: &[(&[u8], usize)], reason: &str) {
    let message = read(parts).map(|_| ()).expect_err(reason);
    assert!(message.contains(reason), "{message}");
    assert!(message.len() < 300 && !message.contains('\n'), "{message}");
}

#[test]
fn dictionaries_of_all_protocols_are_the_same() {
    for pickle in [
        &b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01K\xff\x86q\x02X\x01\x00\x00\x00bh\x02u"[..],
        b"\x80\x02}(U\x01aK\x01M\xff\x00\x86q\x00T\x01\x00\x00\x00bh\x00u",
        b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94\x8a\x01\x01\x8a\x02\xff\x00\x86\x94\x8c\x01bh\x02u",
        b"\x80\x05\x8c\x0bcollections\x8c\x0bOrderedDict\x93)R\x8c\x01aJ\x01\x00\x00\x00J\xff\x00\x00\x00\x86r\x07\x00\x00\x00s\x8c\x01bj\x07\x00\x00\x00s",
    ] {
        let (tree, root) = read(&[(pickle, 1)]).expect("a dictionary");
        let entries = tree.entries(&root);
        assert_eq!(entries.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["a", "b"]);
        for (_, value) in entries {
            let pair = tree.tuple(value).expect("a tuple");
            assert!(matches!(pair, [Value::Int(1), Value::Int(255)]), "{pair:?}");
        }
    }
}

#[test]
fn what_is_no_checkpoints_business_is_passed_over() {
    let long: &[u8] = b"X\x00\x00\x10\x00";
    for parts in [
        &[(long, 1), (b"a", 1 << 20)][..],
        &[(b"C\x03abcB\x01\x00\x00\x00aG\x00\x00\x00\x00\x00\x00\x00\x00\x87", 1)],
        &[(b"cargparse\nNamespace\n)\x81}X\x02\x00\x00\x00lrK\x01sb", 1)],
        &[(b"\x8f(K\x01K\x02\x90(K\x03\x91\x86", 1)],
        &[(b"](", 1), (b"N", 400_000), (b"e", 1)],
    ] {
        read(parts).expect("nothing that matters");
    }
}

#[test]
fn large_and_deep_pickles_are_refused() {
    refused(&[(b"N", 1_100_000)], "at most 1000000 opcodes");
    refused(&[(b"]", 10_000), (b"a", 9_999)], "64 nested containers, got 65");
    refused(&[(b")", 1), (b"\x85", 10_000)], "64 nested containers, got 65");
    refused(&[(b"X\xff\xff\xff\xff", 1)], "ends within a pickle");
    refused(&[(b"ctorch\n", 1), (b"a", 256), (b"\n", 1)], "class name");
}

#[test]
fn copies_and_circles_take_no_memory() {
    // A list of two lists of two lists, sixty times over.
    let bomb: &[(&[u8], usize)] = &[(b"]q\x00", 1), (b"(h\x00h\x00tq\x00", 60)];
    read(bomb).expect("each is there once");
    let (tree, root) = read(&[(b"}q\x00X\x01\x00\x00\x00ah\x00s", 1)]).expect("a circle");
    assert_eq!(tree.entries(&root).len(), 1);
}

#[test]
fn malformed_pickles_are_refused() {
    refused(&[(b"R", 1)], "lacks its values");
    refused(&[(b"N(\x85", 1)], "lacks its values");
    refused(&[(b"}Nu", 1)], "lacks its mark");
    refused(&[(b"}(Nu", 1)], "lacks its container");
    refused(&[(b"NNa", 1)], "lacks its container");
    refused(&[(b"q\x00", 1)], "lacks its values");
    refused(&[(b"h\x07", 1)], "no memo entry 7");
    refused(&[(b"(NNios\nsystem\n", 1)], "opcode 0x69");
    refused(&[(b"\x80\x06", 1)], "at most 5 as the pickle's protocol, got 6");
    refused(&[(b"cos\nsystem\n", 1)], "got \"os.system\"");
    refused(&[(b"\x8c\x08builtins\x8c\x04eval\x93", 1)], "got \"builtins.eval\"");
    refused(&[(b"G\x00", 1)], "ends within");
}
