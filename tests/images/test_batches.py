import torch
from torchvision.transforms.v2 import functional as torchvision_functional

from repro.images import batches
from repro.images.data import normalise


def test_plan_follows_from_seed_and_epoch_alone():
    first, again = batches.epoch_plan(50, seed=3, epoch=7), batches.epoch_plan(50, seed=3, epoch=7)
    assert torch.equal(first.order, again.order)
    assert torch.equal(first.offsets, again.offsets)
    assert torch.equal(first.flips, again.flips)
    for other in (batches.epoch_plan(50, seed=3, epoch=8), batches.epoch_plan(50, seed=4, epoch=7)):
        assert not torch.equal(first.order, other.order)
        assert not torch.equal(first.offsets, other.offsets)


def test_plan_does_not_touch_the_global_generator():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    batches.epoch_plan(50, seed=0, epoch=0)
    assert torch.equal(torch.rand(3), expected)


def test_plan_is_a_permutation_with_uniform_crops_and_fair_flips():
    plan = batches.epoch_plan(9000, seed=0, epoch=0)
    assert torch.equal(plan.order.sort().values, torch.arange(9000))
    for axis in (0, 1):
        counts = torch.bincount(plan.offsets[:, axis], minlength=9)
        assert len(counts) == 9
        # 9,000 draws into 9 bins: 1000 +- 30; a chi-square of 8 degrees of freedom stays below 35 in 99.997 %.
        assert ((counts - 1000) ** 2 / 1000).sum() < 35
    assert abs(plan.flips.float().mean() - 0.5) < 0.03


def test_augmentation_agrees_with_torchvision():
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (30, 3, 32, 32), dtype=torch.uint8, generator=generator)
    plan = batches.epoch_plan(30, seed=2, epoch=0)
    ours = batches.augment(images, plan.offsets, plan.flips)
    for number in range(30):
        top, left = plan.offsets[number].tolist()
        expected = torchvision_functional.pad(images[number], [4, 4, 4, 4])
        expected = torchvision_functional.crop(expected, top, left, 32, 32)
        if plan.flips[number]:
            expected = torchvision_functional.horizontal_flip(expected)
        assert torch.equal(ours[number], expected)


def test_an_epoch_shows_each_image_once_and_leaves_the_rest_out(noise):
    device = torch.device("cpu")
    whole = list(batches.epoch_batches(noise, 20, seed=0, epoch=1, augmentation=False, device=device))
    assert [len(labels) for _, labels in whole] == [20, 20, 20, 20]  # 96 images: 16 are left out
    order = batches.epoch_plan(96, seed=0, epoch=1).order
    assert torch.equal(torch.cat([labels for _, labels in whole]), noise.train_labels[order[:80]])
    expected = normalise(noise.train_images[order[:80]], noise)
    assert torch.equal(torch.cat([images for images, _ in whole]), expected)


def test_an_epoch_begun_in_the_middle_continues_the_same_batches(noise):
    device = torch.device("cpu")
    whole = list(batches.epoch_batches(noise, 20, seed=0, epoch=1, augmentation=True, device=device))
    rest = list(batches.epoch_batches(noise, 20, seed=0, epoch=1, augmentation=True, device=device, first=3))
    assert len(rest) == 1
    assert torch.equal(rest[0][0], whole[3][0])
