package io.sparkweld
package support

import io.sparkweld.SparkWeldConf

import org.apache.spark.sql.internal.SQLConf

/** Names the backends of UDFs: `Auto` leaves the choice to the cost model, the others are forced by the conf. */
object Backend extends Enumeration {
  val Auto, Native, Catalyst, Python = Value

  def parse(text: String): Value =
    values.find(_.toString.equalsIgnoreCase(text)).getOrElse(throw new IllegalArgumentException(s"no backend '$text'"))

  def of(conf: SQLConf): Value = SparkWeldConf.BackendChoice.get(conf)
}
