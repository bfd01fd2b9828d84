// Pictures: SVG, written by hand, readable on light and dark pages.

/// A rectangle of a picture.
package struct Frame {
    package let left, top, width, height: Double
    package var right: Double { left + width }
    package var bottom: Double { top + height }

    package init(left: Double, top: Double, width: Double, height: Double) {
        self.left = left
        self.top = top
        self.width = width
        self.height = height
    }
}

/// SVG under construction.
package struct Plot {
    private var body = ""
    private let width: Double
    private let height: Double

    package init(width: Double, height: Double) {
        self.width = width
        self.height = height
    }

    private func number(_ value: Double) -> String { LoadReport.decimals(value, 1) }

    package mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String) {
        body += "<line class='\(style)' x1='\(number(x1))' y1='\(number(y1))' x2='\(number(x2))' y2='\(number(y2))'/>\n"
    }

    package mutating func curve(_ points: some Collection<(Double, Double)>, _ style: String) {
        let text = points.map { "\(number($0.0)),\(number($0.1))" }.joined(separator: " ")
        body += "<polyline class='\(style)' points='\(text)'/>\n"
    }

    package mutating func text(
        _ x: Double, _ y: Double, _ text: String, anchor: String = "start", size: Int = 11, style: String = "t"
    ) {
        let safe = text.flatMap { character -> String in
            switch character {
            case "<": "&lt;"
            case "&": "&amp;"
            default: String(character)
            }
        }
        body += "<text class='\(style)' x='\(number(x))' y='\(number(y))' font-size='\(size)' text-anchor='\(anchor)'>"
        body += String(safe) + "</text>\n"
    }

    package var document: String {
        """
        <svg xmlns='http://www.w3.org/2000/svg' font-family='sans-serif'
        viewBox='0 0 \(number(width)) \(number(height))'>
        <style>
        text{fill:#667}polyline{fill:none;stroke-width:1.6}line.grid{stroke:#8884;stroke-width:1}line.axis{stroke:#888}
        line.bad{stroke:#d22;stroke-width:2}.c0{stroke:#2a7de1}.c1{stroke:#e07b1a}.c2{stroke:#2a9d5c}.c3{stroke:#a04ac8}
        .c0t{fill:#2a7de1}.c1t{fill:#e07b1a}.c2t{fill:#2a9d5c}.c3t{fill:#a04ac8}
        </style>
        \(body)</svg>

        """
    }
}
