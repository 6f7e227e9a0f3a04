"""Everything the shop says in English. The same keys as `text_ko`."""

GOODS = {
    "earphones": "Wireless Earphones", "headphones": "Headphones", "keyboard": "Mechanical Keyboard",
    "mouse": "Wireless Mouse", "charger": "Fast Charger", "speaker": "Bluetooth Speaker", "tumbler": "Tumbler",
    "mug": "Mug", "frying_pan": "Frying Pan", "knife": "Kitchen Knife", "backpack": "Backpack",
    "wallet": "Leather Wallet", "umbrella": "Automatic Umbrella", "sneakers": "Sneakers", "socks": "Socks Set",
    "hoodie": "Hoodie", "yoga_mat": "Yoga Mat", "dumbbell": "Dumbbell", "lamp": "Desk Lamp",
    "pillow": "Memory Foam Pillow", "notebook": "Notebook", "pen": "Fountain Pen", "coffee": "Coffee Beans",
    "green_tea": "Boseong Green Tea",
}
LINES = {"air": "Air", "pro": "Pro", "mini": "Mini", "classic": "Classic", "max": "Max"}
CATEGORIES = {
    "electronics": "electronics", "kitchen": "kitchen", "fashion": "fashion", "sports": "sports",
    "home": "home", "stationery": "stationery", "food": "food",
}
CARRIERS = {"hanbit": "Hanbit Express", "gaon": "Gaon Logis"}
PLACES = {"warehouse": "Icheon warehouse", "hub": "Daejeon hub", "local": "the local depot", "door": "your address"}
STATUSES = {
    "preparing": "being prepared", "in_transit": "in transit", "delivered": "delivered", "cancelled": "cancelled",
    "refund_requested": "refund requested", "picked_up": "picked up", "at_hub": "arrived at the hub",
    "out_for_delivery": "out for delivery",
}
REASONS = {
    "change_of_mind": "change of mind", "defective": "defective", "wrong_item": "wrong item", "other": "other",
}
RULES = {
    "change_of_mind": "For a change of mind, ask within {days} days of delivery; the return shipping of {fee} is"
    " deducted.",
    "defective": "Defective or wrong items are refunded in full, free of charge, within {days} days of delivery.",
    "before_shipping": "An order that is still being prepared is cancelled at once and refunded in full.",
    "in_transit": "An order in transit can be refunded after it has been delivered.",
    "food": "Food is not refunded after delivery unless it is defective or the wrong item.",
    "already_cancelled": "An order that was cancelled or refunded already is not refunded again.",
    "payout": "The money goes back to your means of payment within {days} business days of the request.",
    "exchange": "You can exchange an item for another option of it within {days} days of delivery; shipping both ways"
    " costs {fee}.",
    "exchange_defective": "Defective or wrong items are exchanged free of charge within {days} days.",
    "exchange_stock": "If the item you want is out of stock, you get a refund instead.",
    "shipping_fee": "Shipping costs {fee}; orders of ₩50,000 and more ship free.",
    "shipping_time": "Orders usually arrive within {days} days.",
}
TOPICS = {"refund": "refunds and returns", "exchange": "exchanges", "cancel": "cancelling an order",
          "shipping": "shipping"}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SAY = {
    "day": "{month} {day}",
    "goods_more": "{first} and {more} more",
    "no_order": "I could not find order {number}. Please check the order number.",
    "order": "Order {number} is {status}.",
    "order_placed": "You placed it on {day}; the total is {total}.",
    "item": "- {name} × {quantity}, {price} each",
    "order_expected": "It is expected on {day}.",
    "order_delivered": "It was delivered on {day}.",
    "order_refundable": "You can ask for a refund until {day}.",
    "order_cancellable": "It has not shipped yet, so cancelling it refunds it in full.",
    "list": "Here are {count} of your orders ({total} in all match).",
    "list_line": "- Order {number}: {goods}, {total}, placed {day}, {status}",
    "list_none": "You have no orders.",
    "list_none_of": "You have no such orders ({only}).",
    "only_refundable": "refundable",
    "only_all": "all",
    "products": "Products that match “{query}”: {count}.",
    "product_line": "- {name}: {price}, {stock} (product {id})",
    "in_stock": "{stock} in stock",
    "sold_out": "sold out",
    "products_none": "No product matches “{query}”. Would you like to try another word?",
    "tracking_many": "{count} of your orders are on their way.",
    "tracking_none": "None of your orders is in transit right now.",
    "tracking": "Order {number} ({goods}) is {status}.",
    "tracking_last": "It was last seen at {place} ({step}, {day}).",
    "tracking_carrier": "{carrier} tracking number: {tracking}.",
    "tracking_not_yet": "It has not shipped yet, so there is no delivery record.",
    "policy": "These are our rules for {topic}.",
    "rule_line": "- {rule}",
    "judged_yes": "Order {number} can be refunded; the expected amount is {amount}.",
    "judged_how": "To request it, say “Please refund order {number}”.",
    "judged_no": "Order {number} cannot be refunded. {rule}",
    "refunded": "I have requested the refund of order {number}.",
    "refunded_amount": "The amount is {amount} (reason: {reason}).",
    "refund_exists": "The refund of order {number} was requested already on {day}. The amount is {amount}; I did not"
    " request it again.",
}
