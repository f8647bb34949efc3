from training.datasets.labels import CLASS_LABELS


def test_no_two_classes_of_a_set_have_the_same_label() -> None:
    for labels in CLASS_LABELS.values():
        assert len(set(labels)) == len(labels)
