"""world_words.py - the words of the teaching world: names, things, and words that mean nothing
outside it."""
import random
import zlib

NAMES = ("Mia Ben Lena Tom Nora Paul Ida Max Eva Jon Lily Sam Rosa Tim Ella Noah Kim Leo Anna "
         "Omar").split()
HELD_NAMES = ("Zoe Hugo Tess Ivan Ruth Karl Vera Otis Dora Finn Amy Cleo Emil Fay Gus Hal Iris "
              "Jade Ned Una").split()                    # only in held-out kinds and in stories
THINGS = ("stamps coins marbles shells cards stickers apples pears cookies buttons beads pencils "
          "books flowers balloons nuts").split()
UNITS = "dollars cents pages miles eggs liters years points rolls meters".split()
PLACES = "bag box jar basket drawer tin".split()
SYLLABLES = "ba bel dor fa gra hul ka lor mi nar os pel qui ra sel tor ul va wen zor".split()
TRIES = 20000                    # draws in a row that find nothing new: the world has no more

# 380 words that mean nothing
INVENTED = [(a + b).capitalize() for a in SYLLABLES for b in SYLLABLES if a != b]
random.Random(1).shuffle(INVENTED)
LANDS = [w + "ia" for w in INVENTED[:40]]
OBJECTS = ("trophy statue globe chest stone cup bottle barrel crate lamp mirror drum chair table "
           "clock kettle").split()
CURIOS = ("anvil bell boot broom candle comb crown doll feather flute hammer key ladder mask "
          "needle pillow").split()


def reserved(text, one_in=10):
    """One in so many texts is reserved for the files, by a checksum of its own; pre-training skips
    exactly those."""
    return zlib.crc32(text.encode()) % one_in == 0
