package io.sparkweld.support

import io.sparkweld.SparkWeldConf

import org.apache.spark.sql.internal.SQLConf

/** What runs UDFs: the choice of the cost model, or one that the conf forces. */
object Backend extends Enumeration {
  val Auto, Native, Catalyst, Python = Value

  def parse(text: String): Value =
    values.find(_.toString.equalsIgnoreCase(text)).getOrElse(throw new IllegalArgumentException(s"no backend '$text'"))

  def of(conf: SQLConf): Value = SparkWeldConf.BackendChoice.get(conf)
}
