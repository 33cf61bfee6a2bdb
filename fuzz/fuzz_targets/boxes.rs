//! Files of boxes: the bytes as one of COCO's, or as Pascal VOC's of an image.
#![no_main]

use std::fs;

use cobasis_data::boxes::{read_coco, read_voc};
use cobasis_fuzz::in_directory;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    in_directory(|directory| {
        let at = |path: &str| directory.join(path);
        for folder in ["JPEGImages", "Annotations", "ImageSets/Main"] {
            fs::create_dir_all(at(folder)).expect("made");
        }
        // The image that files are to tell of, which no reader decodes.
        fs::write(at("JPEGImages/a.jpg"), b"").expect("written");
        match kind & 1 {
            0 => {
                fs::write(at("boxes.json"), rest).expect("written");
                if let Ok(set) = read_coco(&at("boxes.json"), &at("JPEGImages"), None) {
                    let _ = (set.truths(), set.image_set([32, 32]).expect("images for a loader"));
                }
            }
            _ => {
                fs::write(at("ImageSets/Main/list.txt"), b"a\n").expect("written");
                fs::write(at("Annotations/a.xml"), rest).expect("written");
                if let Ok(set) = read_voc(directory, "list", None) {
                    let _ = (set.truths(), set.image_set([32, 32]).expect("images for a loader"));
                }
            }
        }
    });
});
