"""A small shop: items, a basket, and a receipt."""

import json
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Item:
    """Something that can be bought."""

    name: str
    price: float
    count: int = 1

    def total(self) -> float:
        """Return the price of all of them."""
        return self.price * self.count


@dataclass
class Basket:
    """The items that a customer has chosen."""

    items: list[Item] = field(default_factory=list)

    def add(self, item: Item) -> None:
        """Add an item to the basket."""
        for other in self.items:
            if other.name == item.name:
                other.count += item.count
                return
        self.items.append(item)

    def remove(self, name: str) -> None:
        """Remove all items of a name."""
        self.items = [item for item in self.items if item.name != name]

    def total(self) -> float:
        """Return the price of everything."""
        return sum(item.total() for item in self.items)


def receipt(basket: Basket) -> str:
    """Return a line for each item, and the sum."""
    lines = [f"{item.count} x {item.name}: {item.total():.2f}" for item in basket.items]
    lines.append(f"total: {basket.total():.2f}")
    return "\n".join(lines)


def load(path: Path) -> Basket:
    """Read a basket from a JSON file."""
    data = json.loads(path.read_text())
    return Basket([Item(**entry) for entry in data])


if __name__ == "__main__":
    # The basket of the last customer.
    basket = load(Path("basket.json"))
    print(receipt(basket))
