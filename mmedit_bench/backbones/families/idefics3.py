"""Idefics3 and SmolVLM: tiles of a picture with their row and column as text between, then the whole."""

from __future__ import annotations

from mmedit_bench.backbones.families.tiled import TiledFamily
from mmedit_bench.cases import ImageRef


class Idefics3(TiledFamily):
    """The tokens of a picture stand at a place for each tile, and one for the whole picture."""

    feature_inputs = ("pixel_values", "pixel_attention_mask")

    def measure(self, image: ImageRef) -> tuple[int, ...]:
        """Rows and columns of tiles; 0 and 0 for a picture that is not cut.

        The picture is cut for it: `get_number_of_image_patches` of the picture processor counts
        otherwise than it cuts, where the longest edge is no multiple of a tile's.
        """
        bare = {"do_rescale": False, "do_normalize": False, "do_pad": False}
        given = self.image_processor(images=[image.open()], return_row_col_info=True, **bare)
        return int(given["rows"][0][0]), int(given["cols"][0][0])

    def parts(self, image: ImageRef) -> int:
        rows, columns = self.measured(image)
        return rows * columns + 1

    def picture_tokens(self, image: ImageRef) -> int:
        config = self.model.config
        patches = config.vision_config.image_size // config.vision_config.patch_size
        return int(self.parts(image) * (patches**2 // config.scale_factor**2))

    def expanded(self, turn: str, image: ImageRef | None) -> str:
        if image is None:
            return turn
        picture = str(self.tokenizer.convert_ids_to_tokens(self.picture_id))
        around = str(getattr(self.tokenizer, "fake_image_token", "<fake_token_around_image>"))
        whole = f"{around}{getattr(self.tokenizer, 'global_image_token', '<global-img>')}{picture}{around}"
        rows, columns = self.measured(image)
        lines = (
            "".join(f"{around}<row_{row}_col_{column}>{picture}" for column in range(1, columns + 1))
            for row in range(1, rows + 1)
        )
        tiles = "".join(f"{line}\n" for line in lines)
        return turn.replace(picture, f"{tiles}\n{whole}" if rows else whole)
